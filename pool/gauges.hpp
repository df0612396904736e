/// What the master publishes of a pool for people and for its workers.
#pragma once

#include "core/clock.hpp"
#include "pool/door.hpp"
#include "pool/pool_options.hpp"
#include "pool/pool_shape.hpp"
#include "pool/roster.hpp"
#include "pool/workforce.hpp"

namespace bullpen {

class Gauges {
public:
    Gauges(const PoolOptions& options, const PoolShape& shape, Scoreboard& scoreboard);

    void begin(TimePoint now) noexcept { sampled_ = saturated_since_ = now; }

    /// Once a turn: how many workers are spare, and how long the pool has been saturated.
    void publish(const Roster& roster, bool serving, TimePoint now) noexcept;

    /// Once a second: the kernel's queue lengths. False: not yet.
    bool sample(const Door& door, const Workforce& workforce, TimePoint now) noexcept;

private:
    const PoolOptions& options_;
    const PoolShape& shape_;
    ScoreboardHeader& header_;
    TimePoint saturated_since_{};
    bool saturated_ = false;
    TimePoint sampled_{};
    TimePoint warned_{};
};

}  // namespace bullpen
