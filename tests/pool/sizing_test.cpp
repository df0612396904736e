#include "pool/sizing.hpp"
#include <bullpen/pool_limits.hpp>

#include <doctest/doctest.h>

using namespace bullpen;

namespace {

/// Calls check(counts, limits, history) for every small combination.
template <typename Check>
void every_small_input(Check check) {
    for (const SizingPolicy policy : {SizingPolicy::fixed, SizingPolicy::spare})
        for (int workers_max = 1; workers_max <= 5; ++workers_max)
            for (int spare_min = 1; spare_min <= 3; ++spare_min)
                for (int spare_max = spare_min; spare_max <= 4; ++spare_max)
                    for (int starting = 0; starting <= 3; ++starting)
                        for (int idle = 0; idle <= 4; ++idle)
                            for (int busy = 0; busy <= 4; ++busy)
                                for (int draining = 0; draining <= 2; ++draining)
                                    for (int waiting : {0, 1, 7})
                                        for (int burst : {1, 2, 4})
                                            for (int idle_low : {0, idle / 2, idle})
                                                for (bool window_ended : {false, true})
                                                    check(PoolCounts{starting, idle, busy, draining, waiting},
                                                          PoolLimits{.policy = policy,
                                                                     .workers_max = workers_max,
                                                                     .spare_min = spare_min,
                                                                     .spare_max = spare_max,
                                                                     .spawn_burst_max = 4},
                                                          SizingHistory{burst, idle_low, window_ended});
}

constexpr PoolLimits limits{.workers_max = 64, .spare_min = 2, .spare_max = 6, .spawn_burst_max = 32};

}  // namespace

TEST_SUITE("pool: sizing") {
    TEST_CASE("no input makes a plan negative, too large, or both grow and shrink") {
        long inputs = 0;
        long wrong = 0;
        every_small_input([&](PoolCounts now, PoolLimits limit, SizingHistory history) {
            const Resize plan = plan_resize(now, limit, history);
            const int alive = now.starting + now.idle + now.busy + now.draining;
            const int ready = now.starting + now.idle;
            const bool spare = limit.policy == SizingPolicy::spare;
            ++inputs;
            bool right = plan.spawn >= 0 && plan.retire >= 0 && (plan.spawn == 0 || plan.retire == 0);
            right = right && (plan.spawn == 0 || alive + plan.spawn <= limit.workers_max);
            right = right && plan.retire <= now.idle;
            right = right && (!spare || plan.spawn <= std::max(0, limit.spare_min + now.waiting - ready));
            right = right && (!spare || plan.spawn <= history.spawn_burst);
            const int surplus = std::max(0, now.starting + now.idle + now.busy - limit.workers_max);
            right = right && plan.retire >= std::min(surplus, now.idle);
            right = right && (plan.retire <= surplus || (spare && history.window_ended));
            right = right && (plan.retire <= surplus || plan.retire <= history.idle_low - limit.spare_max);
            right = right && plan.next.spawn_burst >= 1 && plan.next.spawn_burst <= limit.spawn_burst_max;
            right = right && plan.next.idle_low >= 0 && plan.next.idle_low <= now.idle;
            right = right && !plan.next.window_ended;
            if (!right) ++wrong;
        });
        CHECK(wrong == 0);
        CHECK(inputs > 1'000'000);
    }

    TEST_CASE("whenever something is missing and there is room, the pool grows") {
        long stuck = 0;
        every_small_input([&](PoolCounts now, PoolLimits limit, SizingHistory history) {
            const int alive = now.starting + now.idle + now.busy + now.draining;
            const bool missing = limit.policy == SizingPolicy::fixed ||
                                 now.starting + now.idle < limit.spare_min + now.waiting;
            if (missing && alive < limit.workers_max && plan_resize(now, limit, history).spawn == 0) ++stuck;
        });
        CHECK(stuck == 0);
    }

    TEST_CASE("the ramp doubles up to its cap while something is missing, and begins anew afterwards") {
        SizingHistory history;
        int busy = 4;
        for (const int expected : {1, 2, 4, 8, 16, 29}) {  // 29: then workers_max is reached.
            const Resize plan = plan_resize({.busy = busy, .waiting = 100}, limits, history);
            CHECK(plan.spawn == expected);
            busy += plan.spawn;
            history = plan.next;
        }
        CHECK(busy == limits.workers_max);
        CHECK(history.spawn_burst == limits.spawn_burst_max);
        CHECK(plan_resize({.idle = 3}, limits, history).next.spawn_burst == 1);
    }

    TEST_CASE("growth is clipped to what is missing, and a starting worker is no longer missing") {
        SizingHistory ramped{.spawn_burst = 32};
        CHECK(plan_resize({.idle = 1, .busy = 9}, limits, ramped).spawn == 1);
        CHECK(plan_resize({.busy = 9}, limits, ramped).spawn == 2);
        CHECK(plan_resize({.starting = 2, .busy = 9}, limits, ramped).spawn == 0);
        CHECK(plan_resize({.starting = 2, .busy = 9, .waiting = 5}, limits, ramped).spawn == 5);
    }

    TEST_CASE("shrinking removes, all at once, what was idle during the whole window beyond spare_max") {
        const SizingHistory ended{.idle_low = 20, .window_ended = true};
        CHECK(plan_resize({.idle = 30, .busy = 5}, limits, ended).retire == 14);
        CHECK(plan_resize({.idle = 3, .busy = 5}, limits, ended).retire == 3);
        CHECK(plan_resize({.idle = 30}, limits, {.idle_low = 6, .window_ended = true}).retire == 0);
        CHECK(plan_resize({.idle = 30}, limits, {.idle_low = 30, .window_ended = false}).retire == 0);
    }

    TEST_CASE("the low-water mark is the fewest idle workers seen in the window") {
        CHECK(plan_resize({.idle = 9}, limits, {.idle_low = 7}).next.idle_low == 7);
        CHECK(plan_resize({.idle = 5}, limits, {.idle_low = 7}).next.idle_low == 5);
        CHECK(plan_resize({.idle = 30}, limits, {.idle_low = 20, .window_ended = true}).next.idle_low == 16);
    }

    TEST_CASE("a pool of fixed size is filled at once and never shrinks") {
        constexpr PoolLimits fixed{.policy = SizingPolicy::fixed, .workers_max = 8};
        CHECK(plan_resize({}, fixed, {}).spawn == 8);
        CHECK(plan_resize({.idle = 7, .draining = 1}, fixed, {}).spawn == 0);
        CHECK(plan_resize({.idle = 8}, fixed, {.idle_low = 8, .window_ended = true}).retire == 0);
    }

    TEST_CASE("idle workers above a limit that was lowered are retired at once") {
        constexpr PoolLimits fixed{.policy = SizingPolicy::fixed, .workers_max = 3};
        CHECK(plan_resize({.idle = 4, .busy = 1}, fixed, {}).retire == 2);
        CHECK(plan_resize({.idle = 1, .busy = 4}, fixed, {}).retire == 1);
        CHECK(plan_resize({.idle = 4, .draining = 2}, fixed, {}).retire == 1);
        CHECK(plan_resize({.idle = 3, .draining = 2}, fixed, {}).retire == 0);
        constexpr PoolLimits spare{.workers_max = 5, .spare_min = 2, .spare_max = 5};
        CHECK(plan_resize({.idle = 7}, spare, {}).retire == 2);
    }

    TEST_CASE("a pool of fixed size changes between one worker and the most that there is room for") {
        constexpr PoolLimits fixed{.policy = SizingPolicy::fixed, .workers_max = 3};
        CHECK(changed_by(fixed, 1, 4)->workers_max == 4);
        CHECK(changed_by(fixed, -2, 4)->workers_max == 1);
        CHECK_FALSE(changed_by(fixed, -3, 4));
        CHECK_FALSE(changed_by(fixed, 2, 4));
    }

    TEST_CASE("a pool of changing size changes its spare workers, and stays within workers_max") {
        constexpr PoolLimits spare{.workers_max = 5, .spare_min = 2, .spare_max = 4};
        CHECK(changed_by(spare, 1, 5)->spare_min == 3);
        CHECK(changed_by(spare, 1, 5)->spare_max == 5);
        CHECK(changed_by(spare, 1, 5)->workers_max == 5);
        CHECK_FALSE(changed_by(spare, 2, 5));
        CHECK(changed_by(spare, -1, 5)->spare_min == 1);
        CHECK_FALSE(changed_by(spare, -2, 5));
    }
}
