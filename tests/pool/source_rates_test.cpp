#include "pool/source_rates.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t start = 3'600'000'000'000;
constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t s = 1000 * ms;
const std::optional<Refusal> admitted;

IpAddress source(const std::string& text) {
    return IpAddress::parse(text).value();
}

/// A different one for each number.
IpAddress numbered(int number) {
    return source("2001:db8::" + std::to_string(number / 10'000) + ":" + std::to_string(number % 10'000));
}

/// How many of so many at one moment are served.
int served_of(int datagrams, SourceRates& rates, const IpAddress& from, const SourceRates::Limits& limits,
              std::uint64_t now_ns) {
    int count = 0;
    for (int i = 0; i < datagrams; ++i)
        count += rates.admit(from, limits, now_ns) == admitted;
    return count;
}

}  // namespace

TEST_SUITE("pool: rates of sources") {
    TEST_CASE("a source is served its rate a second, which may come in one burst") {
        SourceRates rates{100};
        const SourceRates::Limits limits{{.rate_max = 10}};
        const IpAddress one = source("192.0.2.1");
        CHECK(served_of(50, rates, one, limits, start) == 10);
        CHECK(rates.admit(one, limits, start + 99 * ms) == Refusal::rate);
        CHECK(served_of(50, rates, one, limits, start + 100 * ms) == 1);
        CHECK(served_of(50, rates, one, limits, start + 600 * ms) == 5);
        CHECK(served_of(50, rates, one, limits, start + 60 * s) == 10);
    }

    TEST_CASE("each source has its own") {
        SourceRates rates{100};
        const SourceRates::Limits limits{{.rate_max = 3}};
        for (const char* one : {"192.0.2.1", "192.0.2.2", "::1", "::"})
            CHECK(served_of(5, rates, source(one), limits, start) == 3);
    }

    TEST_CASE("a source that is refused too often within a window is banned, and a ban ends") {
        SourceRates rates{100};
        const SourceRates::Limits limits{{.rate_max = 1, .ban = 30s, .ban_after = 3, .ban_window = 10s}};
        const IpAddress one = source("192.0.2.1");
        CHECK(rates.admit(one, limits, start) == admitted);
        for (int i = 0; i < 3; ++i)
            CHECK(rates.admit(one, limits, start) == Refusal::rate);
        for (const std::uint64_t later : {0 * s, 15 * s, 29 * s})  // Tries don't prolong it.
            CHECK(rates.admit(one, limits, start + later) == Refusal::banned);
        CHECK(rates.admit(source("192.0.2.2"), limits, start) == admitted);
        CHECK(rates.admit(one, limits, start + 30 * s) == admitted);
        CHECK(rates.admit(one, limits, start + 30 * s) == Refusal::rate);  // Refusals count anew.
    }

    TEST_CASE("refusals of different windows don't add up to a ban") {
        SourceRates rates{100};
        const SourceRates::Limits limits{{.rate_max = 1, .ban = 30s, .ban_after = 3, .ban_window = 10s}};
        const IpAddress one = source("192.0.2.1");
        for (std::uint64_t window = 0; window < 5; ++window) {
            const std::uint64_t now_ns = start + window * 11 * s;
            CHECK(rates.admit(one, limits, now_ns) == admitted);
            CHECK(rates.admit(one, limits, now_ns) == Refusal::rate);
            CHECK(rates.admit(one, limits, now_ns) == Refusal::rate);
        }
    }

    TEST_CASE("there is room for sources_max neighbours at once, less a few, whatever the random keys") {
        constexpr int most = 1024;
        const SourceRates::Limits limits{{.rate_max = 1}};
        std::vector<IpAddress> neighbours;
        for (int i = 0; i < most; ++i)
            neighbours.push_back(numbered(i));
        for (int keys = 0; keys < 100; ++keys) {
            SourceRates rates{most};
            for (const IpAddress& one : neighbours)
                REQUIRE(rates.admit(one, limits, start) == admitted);
            const auto refused = std::count_if(
                neighbours.begin(), neighbours.end(),
                [&](const IpAddress& one) { return rates.admit(one, limits, start) == Refusal::rate; });
            REQUIRE(refused > most * 95 / 100);
        }
    }

    TEST_CASE("a source for which there is no room is served, and those that count are kept") {
        SourceRates rates{8};
        const SourceRates::Limits limits{{.rate_max = 1}};
        const IpAddress first = source("192.0.2.1");
        CHECK(rates.admit(first, limits, start) == admitted);
        for (int i = 0; i < 10'000; ++i)
            CHECK(rates.admit(numbered(i), limits, start) == admitted);
        CHECK(rates.admit(first, limits, start) == Refusal::rate);
    }

    TEST_CASE("a place whose source doesn't count any more is another's, from the beginning") {
        SourceRates rates{1};
        const SourceRates::Limits limits{{.rate_max = 2, .ban = 5s, .ban_after = 1, .ban_window = 1s}};
        for (int round = 0; round < 100; ++round) {
            const std::uint64_t now_ns = start + static_cast<std::uint64_t>(round) * 10 * s;
            for (int i = 0; i < 8; ++i) {
                const IpAddress one = numbered(8 * round + i);
                CHECK(served_of(2, rates, one, limits, now_ns) == 2);
                CHECK(rates.admit(one, limits, now_ns) == Refusal::rate);
                CHECK(rates.admit(one, limits, now_ns) == Refusal::banned);
            }
        }
    }

    TEST_CASE("processes count together") {
        SourceRates rates{100};
        const SourceRates::Limits limits{{.rate_max = 1000}};
        const IpAddress one = source("192.0.2.1");
        std::vector<pid_t> children;
        int served = 0;
        for (int i = 0; i < 4; ++i) {
            children.push_back(::fork());
            REQUIRE(children.back() >= 0);
            if (children.back() == 0) ::_exit(served_of(10'000, rates, one, limits, start) / 4);
        }
        for (const pid_t child : children) {
            int status = 0;
            REQUIRE(::waitpid(child, &status, 0) == child);
            served += 4 * WEXITSTATUS(status);
        }
        CHECK(served <= 1000);
        CHECK(served > 1000 - 4 * 4);
        CHECK(rates.admit(one, limits, start) == Refusal::rate);
    }
}
