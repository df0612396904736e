#include "pool/shutdown.hpp"

#include <doctest/doctest.h>

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint begin = TimePoint{} + 5ms;  // As soon after the machine's start as can be.
constexpr bool somebody = true;
constexpr bool nobody = false;

}  // namespace

TEST_SUITE("pool: the orderly stop") {
    TEST_CASE("before it has begun the pool is serving, and nothing is over") {
        const Shutdown shutdown{200ms};
        CHECK(shutdown.is_serving());
        CHECK_FALSE(shutdown.is_emptying());
        CHECK_FALSE(shutdown.is_retiring());
        CHECK_FALSE(shutdown.is_over(TimePoint::max()));
    }

    TEST_CASE("it is retiring once nobody has waited for the settling time, counted from the last who did") {
        Shutdown shutdown{200ms};
        CHECK(shutdown.begin(begin, begin + 30s));
        CHECK(shutdown.is_emptying());
        CHECK_FALSE(shutdown.is_serving());
        CHECK_FALSE(shutdown.note_waiting(nobody, begin));
        CHECK_FALSE(shutdown.note_waiting(nobody, begin + 199ms));
        CHECK_FALSE(shutdown.note_waiting(somebody, begin + 250ms));
        CHECK_FALSE(shutdown.note_waiting(nobody, begin + 449ms));
        CHECK(shutdown.is_emptying());
        CHECK(shutdown.note_waiting(nobody, begin + 450ms));
        CHECK(shutdown.is_retiring());
        CHECK_FALSE(shutdown.is_emptying());
    }

    TEST_CASE("at the deadline it is retiring and over, though clients still wait") {
        Shutdown shutdown{200ms};
        CHECK(shutdown.begin(begin, begin + 1s));
        CHECK_FALSE(shutdown.note_waiting(somebody, begin + 1s - 1ns));
        CHECK_FALSE(shutdown.is_over(begin + 1s));
        CHECK(shutdown.note_waiting(somebody, begin + 1s));
        CHECK(shutdown.is_over(begin + 1s));
    }

    TEST_CASE("retiring, it is over at the deadline and not before") {
        Shutdown shutdown{0ms};
        CHECK(shutdown.begin(begin, begin + 10s));
        CHECK(shutdown.note_waiting(nobody, begin));
        CHECK_FALSE(shutdown.is_over(begin + 10s - 1ns));
        CHECK(shutdown.is_over(begin + 10s));
    }

    TEST_CASE("a second order to stop changes nothing but the deadline, which only comes nearer") {
        for (const bool retiring : {false, true}) {
            Shutdown shutdown{0ms};
            CHECK(shutdown.begin(begin, begin + 10s));
            if (retiring) REQUIRE(shutdown.note_waiting(nobody, begin));
            CHECK_FALSE(shutdown.begin(begin + 1s, begin + 40s));
            CHECK(shutdown.deadline() == begin + 10s);
            CHECK_FALSE(shutdown.begin(begin + 2s, begin + 2s));
            CHECK(shutdown.deadline() == begin + 2s);
            CHECK(shutdown.is_retiring() == retiring);
        }
    }

    TEST_CASE("an impatient order ends the emptying in the same turn") {
        Shutdown shutdown{200ms};
        CHECK(shutdown.begin(begin, begin + 30s));
        CHECK_FALSE(shutdown.note_waiting(somebody, begin + 1s));
        CHECK_FALSE(shutdown.begin(begin + 1s, begin + 1s));
        CHECK(shutdown.note_waiting(somebody, begin + 1s));
        CHECK(shutdown.is_over(begin + 1s));
    }
}
