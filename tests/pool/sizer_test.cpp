#include "pool/sizer.hpp"

#include <doctest/doctest.h>

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint begin = TimePoint{} + 5ms;  // As soon after the machine's start as can be.

PoolOptions options_with(PoolLimits limits) {
    PoolOptions options;
    options.limits = limits;
    options.resize_interval = 100ms;
    options.shrink_window = 10s;
    return options;
}

const PoolOptions spare =
    options_with({.workers_start = 4, .workers_max = 64, .spare_min = 2, .spare_max = 6});

Sizer begun(const PoolOptions& options) {
    Sizer sizer{options};
    sizer.begin(begin);
    return sizer;
}

}  // namespace

TEST_SUITE("pool: the sizer") {
    TEST_CASE("a decision is due an interval after the last, and not before") {
        Sizer sizer = begun(spare);
        CHECK(sizer.next() == begin + 100ms);
        CHECK_FALSE(sizer.is_due(begin));
        CHECK_FALSE(sizer.is_due(begin + 100ms - 1ns));
        CHECK(sizer.is_due(begin + 100ms));
        sizer.decide({.idle = 4}, begin + 130ms);
        CHECK(sizer.next() == begin + 230ms);
        CHECK_FALSE(sizer.is_due(begin + 229ms));
    }

    TEST_CASE("at the end of a window one is due even where the interval is longer") {
        PoolOptions options = spare;
        options.resize_interval = 1h;
        const Sizer sizer = begun(options);
        CHECK_FALSE(sizer.is_due(begin + 10s - 1ns));
        CHECK(sizer.is_due(begin + 10s));
    }

    TEST_CASE("the ramp doubles from decision to decision, and begins anew once nothing is missing") {
        Sizer sizer = begun(spare);
        TimePoint now = begin;
        int busy = 40;
        const auto spawned = [&] {
            now += 100ms;
            const int spawn = sizer.decide({.busy = busy, .waiting = 20}, now).spawn;
            busy += spawn;
            return spawn;
        };
        CHECK(spawned() == 1);
        CHECK(spawned() == 2);
        CHECK(spawned() == 4);
        CHECK(sizer.decide({.idle = 4, .busy = 40}, now += 100ms).spawn == 0);
        CHECK(spawned() == 1);
    }

    TEST_CASE("what was idle during a whole window beyond spare_max is retired at its end, once") {
        Sizer sizer = begun(spare);
        sizer.decide({.idle = 20}, begin + 10s);  // Ends the window in which only the first 4 were counted.
        for (TimePoint now = begin + 10s; now < begin + 20s; now += 1s)
            CHECK(sizer.decide({.idle = 20}, now).retire == 0);
        CHECK(sizer.decide({.idle = 20}, begin + 20s).retire == 14);
        CHECK(sizer.decide({.idle = 6}, begin + 20s + 100ms).retire == 0);
        CHECK(sizer.decide({.idle = 6}, begin + 30s).retire == 0);
    }

    TEST_CASE("one moment of need keeps the workers for the whole window") {
        Sizer sizer = begun(spare);
        sizer.decide({.idle = 20}, begin + 10s);
        sizer.note_idle(5);  // Between two decisions.
        sizer.note_idle(20);
        CHECK(sizer.decide({.idle = 20}, begin + 20s).retire == 0);
        CHECK(sizer.decide({.idle = 20}, begin + 30s).retire == 14);
    }

    TEST_CASE("those that are only starting when the pool begins are not retired for a window") {
        const PoolOptions many =
            options_with({.workers_start = 30, .workers_max = 64, .spare_min = 2, .spare_max = 6});
        Sizer sizer = begun(many);
        sizer.note_idle(0);
        CHECK(sizer.decide({.idle = 30}, begin + 10s).retire == 0);
        CHECK(sizer.decide({.idle = 30}, begin + 20s).retire == 24);
    }

    TEST_CASE("a fixed pool is filled at once and never shrinks") {
        const PoolOptions fixed = options_with({.policy = SizingPolicy::fixed, .workers_max = 50});
        Sizer sizer = begun(fixed);
        CHECK(sizer.decide({.idle = 8}, begin + 100ms).spawn == 42);
        CHECK(sizer.decide({.idle = 50}, begin + 30s).retire == 0);
    }

    TEST_CASE("looking without deciding also takes the interval and the window") {
        Sizer sizer = begun(spare);
        sizer.begin_decision(begin + 10s);
        CHECK_FALSE(sizer.is_due(begin + 10s));
        CHECK(sizer.is_due(begin + 10s + 100ms));
    }
}
