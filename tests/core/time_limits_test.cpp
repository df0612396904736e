#include <bullpen/time_limits.hpp>
#include "core/transfer_progress.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <set>
#include <string>

using namespace bullpen;
using namespace std::chrono_literals;

TEST_SUITE("core: time limits") {
    constexpr TimePoint begin{1000s};

    TEST_CASE("each limit has a name of its own") {
        std::set<std::string> names;
        for (std::size_t i = 0; i < limits_count; ++i)
            names.insert(name_of(static_cast<Limit>(i)));
        CHECK(names == std::set<std::string>{"none", "idle", "header", "body", "read", "write"});
    }

    TEST_CASE("bytes earn time by their rate, and nothing earns nothing") {
        CHECK(extended(begin + 5s, begin, 30s, 500, 0) == begin + 5s);
        CHECK(extended(begin + 5s, begin, 30s, 500, 500) == begin + 6s);
        CHECK(extended(begin + 5s, begin, 30s, 500, 1) == begin + 5002ms);
        CHECK(extended(begin + 5s, begin, 30s, 500, 1250) == begin + 7500ms);
    }

    TEST_CASE("nobody is ever further ahead than the base time") {
        CHECK(extended(begin + 29s, begin, 30s, 500, 2000) == begin + 30s);
        CHECK(extended(begin + 1s, begin, 30s, 500, 15'000) == begin + 30s);
        CHECK(extended(begin, begin, 30s, 500, std::numeric_limits<std::uint64_t>::max()) == begin + 30s);
    }

    TEST_CASE("without a rate any progress begins anew") {
        CHECK(extended(begin + 1s, begin, 30s, 0, 0) == begin + 1s);
        CHECK(extended(begin + 1s, begin, 30s, 0, 1) == begin + 30s);
    }

    TEST_CASE("who drips is caught after the base time, and who keeps up the rate never") {
        const auto lasts = [](std::uint64_t bytes_a_second) {
            TimePoint deadline = begin + 30s;
            for (int second = 1; second <= 1000; ++second) {
                const TimePoint now = begin + std::chrono::seconds{second};
                deadline = extended(deadline, now, 30s, 500, bytes_a_second);
                if (now >= deadline) return second;
            }
            return 1000;
        };
        CHECK(lasts(0) == 30);
        CHECK(lasts(1) == 31);
        CHECK(lasts(250) == 60);
        CHECK(lasts(500) == 1000);
        CHECK(lasts(100'000) == 1000);
    }
}
