/// Gauges: what the master publishes in the scoreboard's header for people and for the pool's workers.
#pragma once

#include <bullpen/clock.hpp>
#include "pool/door.hpp"
#include "pool/pool_options.hpp"
#include "pool/pool_shape.hpp"
#include "pool/roster.hpp"
#include "pool/workforce.hpp"

namespace bullpen {

class Gauges {
public:
    Gauges(const PoolOptions& options, const PoolShape& shape, Scoreboard& scoreboard);

    void begin(TimePoint now) noexcept {
        sampled_ = saturated_since_ = now;
        dropped_before_ = header_.log_lines_dropped.load(std::memory_order_relaxed);
    }

    void publish_limits() noexcept;

    /// Once a turn: publishes how many workers are spare, and how long the pool has been saturated.
    void publish(const Roster& roster, bool serving, TimePoint now) noexcept;

    /// Once a second: publishes the kernel's queue lengths. Returns false if a second hasn't passed yet.
    bool sample(const Door& door, const Workforce& workforce, TimePoint now) noexcept;

private:
    static void note_dropped(ListenQueueWords& queue, std::uint64_t sum) noexcept;

    const PoolOptions& options_;
    const PoolShape& shape_;
    ScoreboardHeader& header_;
    std::uint64_t dropped_before_ = 0;  ///< Log lines that masters before this one have dropped.
    TimePoint saturated_since_{};
    bool saturated_ = false;
    TimePoint sampled_{};
    TimePoint warned_{};
};

}  // namespace bullpen
