/// Sizing: how many workers a pool should start or retire, as a pure function without clock, fork or log.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include <bullpen/pool_limits.hpp>

namespace bullpen {

/// A pool as it is now.
struct PoolCounts {
    int starting = 0;
    int idle = 0;
    int busy = 0;
    int draining = 0;  ///< Told to leave and still there: counted for workers_max, but serve no new client.
    int waiting = 0;   ///< Clients that wait for a worker, in the lobby or in the kernel's backlog.
};

/// What the decisions so far have left for the next one.
struct SizingHistory {
    int spawn_burst = 1;        ///< The ramp's next step.
    int idle_low = 0;           ///< The lowest number of idle workers in the current window.
    bool window_ended = false;  ///< A shrink window ends with this decision.
    bool operator==(const SizingHistory&) const = default;
};

struct Resize {
    int spawn = 0;
    int retire = 0;
    SizingHistory next;  ///< For the decision after this one.
    bool operator==(const Resize&) const = default;
};

/// Growing: spawn = min(missing, step, workers_max - alive), where missing = spare_min + waiting - starting -
/// idle, and step is 1, 2, 4 … up to spawn_burst_max, doubled by each decision with workers missing, and 1
/// again after one without. Idle workers above workers_max, which may have been lowered, are retired at once.
/// Shrinking: at the end of a window, if none is spawned, retire = idle_low -
/// spare_max workers at once: those that were idle during all of it (Dovecot's low-water mark). With
/// spare_min 2, spare_max 6 and a window whose lowest number of idle workers was 9, 3 are retired.
constexpr Resize plan_resize(PoolCounts now, PoolLimits limits, SizingHistory history) noexcept {
    const int alive = now.starting + now.idle + now.busy + now.draining;
    const int room = std::max(0, limits.workers_max - alive);
    const int ready = now.starting + now.idle;
    const bool fixed = limits.policy == SizingPolicy::fixed;
    const int missing = fixed ? room : std::max(0, limits.spare_min + now.waiting - ready);

    const int surplus = std::max(0, now.starting + now.idle + now.busy - limits.workers_max);
    Resize plan;
    plan.next = history;
    plan.next.window_ended = false;
    plan.spawn = std::min({missing, room, fixed ? room : history.spawn_burst});
    plan.next.spawn_burst = missing > 0 ? std::min(history.spawn_burst * 2, limits.spawn_burst_max) : 1;
    plan.retire = std::min(surplus, now.idle);
    if (history.window_ended) {
        if (!fixed && plan.spawn == 0)
            plan.retire = std::clamp(history.idle_low - limits.spare_max, plan.retire, now.idle);
        plan.next.idle_low = now.idle - plan.retire;
    } else {
        plan.next.idle_low = std::min(history.idle_low, now.idle);
    }
    return plan;
}

/// The limits with so many workers more, or less: workers_max of a pool of fixed size, else spare_min and
/// spare_max. Nothing if that is impossible: there are at most `most` workers, and at least one.
constexpr std::optional<PoolLimits> changed_by(PoolLimits limits, int workers, int most) noexcept {
    if (limits.policy == SizingPolicy::fixed) {
        limits.workers_max += workers;
        if (limits.workers_max < 1 || limits.workers_max > most) return {};
        return limits;
    }
    limits.spare_min += workers;
    limits.spare_max += workers;
    if (limits.spare_min < 1 || limits.spare_max > limits.workers_max) return {};
    return limits;
}

}  // namespace bullpen
