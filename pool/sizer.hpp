/// The sizer: when the pool's size is decided.
#pragma once

#include <bullpen/clock.hpp>
#include <bullpen/pool_limits.hpp>
#include "pool/pool_options.hpp"
#include "pool/sizing.hpp"

namespace bullpen {

/// Applies plan_resize at its intervals. It reads no clock, forks nothing and logs nothing.
class Sizer {
public:
    explicit Sizer(const PoolOptions& options) : options_{options}, limits_{options.limits} {}

    void begin(TimePoint now) noexcept {
        window_began_ = decided_ = now;
        history_.idle_low = limits_.workers_start;
    }

    /// Notes the number of idle workers; the lowest of a window counts.
    void note_idle(int workers) noexcept { history_.idle_low = std::min(history_.idle_low, workers); }

    /// Whether a decision is due: an interval after the last one, and at a window's end.
    [[nodiscard]] bool is_due(TimePoint now) const noexcept {
        return now - decided_ >= options_.resize_interval || window_ends(now);
    }

    /// Makes the decision.
    Resize decide(const PoolCounts& counts, TimePoint now) noexcept {
        begin_decision(now);
        const Resize plan = plan_resize(counts, limits_, history_);
        history_ = plan.next;
        return plan;
    }

    /// Notes the decision's time only: for a process that sizes itself and must only be there.
    void begin_decision(TimePoint now) noexcept {
        history_.window_ended = window_ends(now);
        if (history_.window_ended) window_began_ = now;
        decided_ = now;
    }

    /// When the next decision is due, if workers are missing or might be.
    [[nodiscard]] TimePoint next() const noexcept { return decided_ + options_.resize_interval; }

    [[nodiscard]] const PoolLimits& limits() const noexcept { return limits_; }

private:
    [[nodiscard]] bool window_ends(TimePoint now) const noexcept {
        return now - window_began_ >= options_.shrink_window;
    }

    const PoolOptions& options_;
    const PoolLimits& limits_;
    SizingHistory history_;
    TimePoint decided_{};
    TimePoint window_began_{};
};

}  // namespace bullpen
