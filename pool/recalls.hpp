/// Recalls: workers that have awaited their client's next request for long enough are told to give it back.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include <bullpen/clock.hpp>
#include "pool/pool_options.hpp"
#include "pool/pool_shape.hpp"
#include "pool/roster.hpp"
#include "pool/scoreboard.hpp"
#include "pool/workforce.hpp"

namespace bullpen {

/// Lives in the master. A worker may miss nothing by a recall that comes too late, or twice.
class Recalls {
public:
    Recalls(const PoolOptions& options, const PoolShape& shape, const Scoreboard& scoreboard,
            const Roster& roster, const Workforce& workforce);

    /// Ends the workers' waits for a next request that have lasted for await_next, or all (`at_once`). Looks
    /// at the rows every await_next while a worker waits so; while none does, the pause doubles up to
    /// stuck_after / 2.
    void attend(bool at_once, TimePoint now) noexcept;

    /// The slot's order was taken out of its channel: it is given again.
    void repeat(std::uint32_t slot) noexcept { ended_[slot] = 0; }

    /// Returns when to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) const noexcept;

private:
    [[nodiscard]] std::chrono::milliseconds shortest_pause() const noexcept;

    const PoolOptions& options_;
    const PoolShape& shape_;
    const Scoreboard& scoreboard_;
    const Roster& roster_;
    const Workforce& workforce_;
    std::vector<std::uint64_t> ended_;  ///< By slot, the begin of the wait that was last told to end (ns).
    std::chrono::milliseconds pause_{1};
    TimePoint next_{};
};

}  // namespace bullpen
