#include "servers/bench/load/cpu_time.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("cli: CPU time") {
    TEST_CASE("user and system time are added") {
        rusage usage{};
        usage.ru_utime = {.tv_sec = 1, .tv_usec = 250'000};
        usage.ru_stime = {.tv_sec = 2, .tv_usec = 500'000};
        CHECK(cpu_seconds(usage) == doctest::Approx(3.75));
    }

    TEST_CASE("idle and I/O wait are not busy, and guests are not counted twice") {
        const MachineTicks ticks = parse_machine_ticks("cpu  10 20 30 400 50 6 7 8 9 10\ncpu0 1 2 3");
        CHECK(ticks.all == 531);
        CHECK(ticks.busy == 81);
    }

    TEST_CASE("what is not /proc/stat has no ticks") {
        CHECK(parse_machine_ticks("").all == 0);
        CHECK(parse_machine_ticks("intr 1 2 3").all == 0);
    }

    TEST_CASE("the busy share is of the ticks in between") {
        CHECK(busy_share({.busy = 10, .all = 100}, {.busy = 85, .all = 200}) == doctest::Approx(0.75));
        CHECK(busy_share({.busy = 10, .all = 100}, {.busy = 10, .all = 100}) == 0);
        CHECK(busy_share({.busy = 10, .all = 100}, {.busy = 5, .all = 200}) == 0);
    }

    TEST_CASE("this machine counts ticks") {
        CHECK(read_machine_ticks().all > 0);
    }
}
