#include "servers/bench/load/round_trip_time.hpp"

#include <doctest/doctest.h>

using namespace bullpen;
using namespace std::chrono_literals;

TEST_SUITE("load: round-trip time") {
    TEST_CASE("before the first answer the time-out is the first one, and doubles up to the most") {
        const RoundTripTime time{{.first = 1s, .least = 10ms, .most = 5s}};
        CHECK(time.timeout(0) == 1s);
        CHECK(time.timeout(1) == 2s);
        CHECK(time.timeout(2) == 4s);
        CHECK(time.timeout(3) == 5s);
        CHECK(time.timeout(1000) == 5s);
    }

    TEST_CASE("the first answer sets the estimate: three times as long is the time-out") {
        RoundTripTime time;
        time.measured(100ms);
        CHECK(time.smoothed() == 100ms);
        CHECK(time.variation() == 50ms);
        CHECK(time.timeout(0) == 300ms);
        CHECK(time.timeout(1) == 600ms);
    }

    TEST_CASE("a later one moves the mean by an eighth and the variation by a quarter (UNP, figure 22.13)") {
        RoundTripTime time;
        time.measured(100ms);
        time.measured(180ms);
        CHECK(time.variation() == 57'500us);
        CHECK(time.smoothed() == 110ms);
        CHECK(time.timeout(0) == 340ms);
        time.measured(30ms);  // Sooner than thought: the variation grows, too.
        CHECK(time.variation() == 63'125us);
        CHECK(time.smoothed() == 100ms);
    }

    TEST_CASE("equal answers bring the time-out down to the least") {
        RoundTripTime time{{.first = 1s, .least = 10ms, .most = 60s}};
        for (int i = 0; i < 100; ++i)
            time.measured(50us);
        CHECK(time.smoothed() == 50us);
        CHECK(time.timeout(0) == 10ms);
        CHECK(time.timeout(3) == 80ms);
    }

    TEST_CASE("it follows a network that has become slower") {
        RoundTripTime time;
        for (int i = 0; i < 100; ++i)
            time.measured(1ms);
        for (int i = 0; i < 100; ++i)
            time.measured(200ms);
        CHECK(time.smoothed() > 195ms);
        CHECK(time.timeout(0) > 200ms);
        CHECK(time.timeout(0) < 260ms);
    }

    TEST_CASE("a clock that went back counts as no time") {
        RoundTripTime time;
        time.measured(-5ms);
        CHECK(time.smoothed() == 0ms);
    }
}
