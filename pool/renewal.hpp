/// The renewal: how the workers of a pool are replaced after a reload, as a pure function.
#pragma once

#include <algorithm>

namespace bullpen {

/// The processes of a pool that weren't told to leave.
struct RenewalCounts {
    int stale = 0;           ///< Started before the reload.
    int fresh_starting = 0;  ///< Started since,
    int fresh_ready = 0;     ///< and ready.
    int vacant = 0;          ///< Room for so many more.
    int wanted = 0;          ///< As many as there were when the renewal began.
};

struct Renewal {
    int start = 0;
    int retire = 0;  ///< Of the stale ones.
    bool operator==(const Renewal&) const = default;
};

/// A stale process is retired once a fresh one is ready for it, so that the pool never has fewer ready ones
/// than before; at most `at_once` are on their way.
constexpr Renewal plan_renewal(RenewalCounts now, int at_once) noexcept {
    const int surplus = now.stale + now.fresh_ready - now.wanted;
    Renewal plan;
    plan.retire = std::clamp(surplus, 0, now.stale);
    const int left = now.stale - plan.retire - now.fresh_starting;
    plan.start = std::max(0, std::min({left, at_once - now.fresh_starting, now.vacant}));
    return plan;
}

/// The same for workers of which there must not be two at a time: the stale one leaves first, and the pool's
/// sizing starts the other.
constexpr Renewal plan_succession(RenewalCounts now) noexcept {
    return {.start = 0, .retire = now.stale};
}

}  // namespace bullpen
