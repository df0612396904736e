#include "pool/admission.hpp"
#include <bullpen/admission_options.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

Peer from(const std::string& address) {
    return {.address = IpAddress::parse(address).value(), .port = 1, .has_address = true};
}

AdmissionRule rule(const char* network, const char* listener = "") {
    return {Network::parse(network), listener};
}

const TimePoint start = TimePoint{} + 1h;
const std::optional<Refusal> admitted;
const std::vector<std::string> one_listener = {"127.0.0.1:80"};

}  // namespace

TEST_SUITE("pool: admission") {
    TEST_CASE("everybody is admitted by default") {
        Admission admission{{}, one_listener};
        CHECK_FALSE(admission.enabled());
        CHECK(admission.admit(-1, from("1.2.3.4"), 0, 1'000'000, start) == admitted);
        CHECK(admission.admit(-1, Peer{}, 0, 1'000'000, start) == admitted);
        admission.ended(from("1.2.3.4"));
        admission.sweep(start);
    }

    TEST_CASE("each part alone enables it") {
        CHECK(Admission{{.allow = {rule("::1")}}, one_listener}.enabled());
        CHECK(Admission{{.deny = {rule("::1")}}, one_listener}.enabled());
        CHECK(Admission{{.sources = {.connections_max = 1}}, one_listener}.enabled());
        CHECK(Admission{{.early_drop = EarlyDrop::parse("1")}, one_listener}.enabled());
    }

    TEST_CASE("if there is a list of those allowed, only they come in, and deny wins") {
        Admission admission{{.allow = {rule("10.0.0.0/8"), rule("::1")}, .deny = {rule("10.6.0.0/16")}},
                            one_listener};
        CHECK(admission.admit(-1, from("10.1.2.3"), 0, 0, start) == admitted);
        CHECK(admission.admit(-1, from("::1"), 0, 0, start) == admitted);
        CHECK(admission.admit(-1, from("11.1.2.3"), 0, 0, start) == Refusal::denied);
        CHECK(admission.admit(-1, from("10.6.2.3"), 0, 0, start) == Refusal::denied);
    }

    TEST_CASE("without such a list everybody comes in who is not denied") {
        Admission admission{{.deny = {rule("10.6.0.0/16")}}, one_listener};
        CHECK(admission.admit(-1, from("11.1.2.3"), 0, 0, start) == admitted);
        CHECK(admission.admit(-1, from("10.6.2.3"), 0, 0, start) == Refusal::denied);
    }

    TEST_CASE("a rule may be for one listener as it is written, which may be several") {
        Admission admission{{.allow = {rule("10.0.0.0/8", "localhost:80")},
                             .deny = {rule("11.0.0.0/8", "[::]:81"), rule("12.0.0.0/8")}},
                            {"localhost:80", "localhost:80", "[::]:81"}};
        for (const std::size_t listener : {0U, 1U}) {
            CHECK(admission.admit(-1, from("10.1.2.3"), listener, 0, start) == admitted);
            CHECK(admission.admit(-1, from("1.1.2.3"), listener, 0, start) == Refusal::denied);
        }
        CHECK(admission.admit(-1, from("1.1.2.3"), 2, 0, start) == admitted);
        CHECK(admission.admit(-1, from("11.1.2.3"), 2, 0, start) == Refusal::denied);
        CHECK(admission.admit(-1, from("12.1.2.3"), 2, 0, start) == Refusal::denied);
    }

    TEST_CASE("a rule for a listener that isn't there is an error") {
        CHECK_THROWS_WITH_AS(
            (Admission{{.deny = {rule("10.0.0.0/8", "127.0.0.1:81")}}, one_listener}),
            "a rule for 10.0.0.0/8 is for the listener '127.0.0.1:81', which the pool doesn't have",
            std::invalid_argument);
    }

    TEST_CASE("the more clients are unserved, the more are dropped") {
        Admission admission{{.early_drop = {.begin = 10, .rate = 30, .full = 100}}, one_listener};
        const auto dropped_of_1000 = [&](int unserved) {
            int dropped = 0;
            for (int i = 0; i < 1000; ++i)
                dropped += admission.admit(-1, from("1.2.3.4"), 0, unserved, start) == Refusal::startups;
            return dropped;
        };
        CHECK(dropped_of_1000(9) == 0);
        CHECK(dropped_of_1000(10) > 150);  // 300 are expected, 15 are a standard deviation.
        CHECK(dropped_of_1000(10) < 450);
        CHECK(dropped_of_1000(55) > 500);
        CHECK(dropped_of_1000(55) < 800);
        CHECK(dropped_of_1000(100) == 1000);
    }

    TEST_CASE("who is dropped is not counted as one of its source's connections") {
        Admission admission{{.sources = {.connections_max = 1}, .early_drop = EarlyDrop::parse("1")},
                            one_listener};
        CHECK(admission.admit(-1, from("1.2.3.4"), 0, 1, start) == Refusal::startups);
        CHECK(admission.admit(-1, from("1.2.3.4"), 0, 0, start) == admitted);
        CHECK(admission.admit(-1, from("1.2.3.4"), 0, 0, start) == Refusal::source);
        admission.ended(from("1.2.3.4"));
        CHECK(admission.admit(-1, from("1.2.3.4"), 0, 0, start) == admitted);
    }

    TEST_CASE("the lists are asked first, then the bans, then chance, then the limits") {
        Admission admission{{.deny = {rule("10.0.0.0/8")},
                             .sources = {.connections_max = 1, .ban = 60s, .ban_after = 1},
                             .early_drop = EarlyDrop::parse("1")},
                            one_listener};
        CHECK(admission.admit(-1, from("1.2.3.4"), 0, 0, start) == admitted);
        CHECK(admission.admit(-1, from("1.2.3.4"), 0, 1, start) == Refusal::startups);
        CHECK(admission.admit(-1, from("1.2.3.4"), 0, 0, start) == Refusal::source);
        CHECK(admission.admit(-1, from("1.2.3.4"), 0, 1, start) == Refusal::banned);
        CHECK(admission.admit(-1, from("10.2.3.4"), 0, 1, start) == Refusal::denied);
    }

    TEST_CASE("lists and limits don't concern clients of a UNIX socket, early drop does") {
        Admission admission{{.allow = {rule("::1")},
                             .deny = {rule("::/0")},
                             .sources = {.connections_max = 1},
                             .early_drop = EarlyDrop::parse("3")},
                            {"unix:/x"}};
        for (int i = 0; i < 10; ++i)
            CHECK(admission.admit(-1, Peer{}, 0, 2, start) == admitted);
        CHECK(admission.admit(-1, Peer{}, 0, 3, start) == Refusal::startups);
    }

    TEST_CASE("a sweep forgets sources") {
        Admission admission{{.sources = {.connections_max = 1}}, one_listener};
        CHECK(admission.admit(-1, from("1.2.3.4"), 0, 0, start) == admitted);
        admission.sweep(start + 1h);
        CHECK(admission.admit(-1, from("1.2.3.4"), 0, 0, start + 1h) == Refusal::source);
    }
}
