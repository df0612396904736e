/// How large a pool should be: a pure function, without clock, fork or log.
#pragma once

#include <algorithm>
#include <cstdint>

namespace bullpen {

enum class SizingPolicy {
    fixed,  ///< Always workers_max: nginx's worker_processes, FPM's pm = static. Its name is "static".
    spare,  ///< Between spare_min and spare_max idle workers: Apache prefork, FPM's pm = dynamic.
};

/// The limits of a pool. Every burst and every wait is a field.
struct PoolLimits {
    SizingPolicy policy = SizingPolicy::spare;
    int workers_start = 4;
    int workers_max = 64;
    int spare_min = 2;         ///< Fewer ready workers than this (and waiting clients): spawn.
    int spare_max = 6;         ///< More idle workers than this for a whole window: retire.
    int spawn_burst_max = 32;  ///< The ramp 1, 2, 4 … ends here: most forks in one decision.
};

/// A pool as it is now.
struct PoolCounts {
    int starting = 0;
    int idle = 0;
    int busy = 0;
    int draining = 0;  ///< Told to exit, still there: they take room but give none.
    int waiting = 0;   ///< Clients that wait for a worker, in the master's hands or in the kernel's backlog.
};

/// What the decisions so far leave behind.
struct SizingHistory {
    int spawn_burst = 1;        ///< The ramp's next step.
    int idle_low = 0;           ///< Fewest idle workers seen in the present window.
    bool window_ended = false;  ///< A shrink window ends with this decision.
    bool operator==(const SizingHistory&) const = default;
};

struct Resize {
    int spawn = 0;
    int retire = 0;
    SizingHistory next;  ///< For the decision after this one.
    bool operator==(const Resize&) const = default;
};

/// Growing: as many as are missing for spare_min idle workers beyond the waiting clients, but at most the
/// ramp's step (doubled while something is missing, 1 again when nothing is), and never beyond workers_max. A
/// starting worker counts as ready: it is a spare that has not reported yet. Shrinking: once a window, all at
/// once, as many workers as were idle during all of it beyond spare_max (Dovecot's low-water mark: what was
/// never needed).
constexpr Resize plan_resize(PoolCounts now, PoolLimits limits, SizingHistory history) noexcept {
    const int alive = now.starting + now.idle + now.busy + now.draining;
    const int room = std::max(0, limits.workers_max - alive);
    const int ready = now.starting + now.idle;
    const bool fixed = limits.policy == SizingPolicy::fixed;
    const int missing = fixed ? room : std::max(0, limits.spare_min + now.waiting - ready);

    Resize plan;
    plan.next = history;
    plan.next.window_ended = false;
    plan.spawn = std::min({missing, room, fixed ? room : history.spawn_burst});
    plan.next.spawn_burst = missing > 0 ? std::min(history.spawn_burst * 2, limits.spawn_burst_max) : 1;
    if (history.window_ended) {
        if (!fixed && plan.spawn == 0)
            plan.retire = std::clamp(history.idle_low - limits.spare_max, 0, now.idle);
        plan.next.idle_low = now.idle - plan.retire;
    } else {
        plan.next.idle_low = std::min(history.idle_low, now.idle);
    }
    return plan;
}

}  // namespace bullpen
