/// The renewer: replaces the workers of a pool after a reload, a few at a time.
#pragma once

#include <chrono>

#include <bullpen/clock.hpp>
#include "pool/pool_options.hpp"
#include "pool/pool_shape.hpp"
#include "pool/workforce.hpp"

namespace bullpen {

/// Lives in the master; applies plan_renewal. A successor begins anew with the workers that it finds.
class Renewer {
public:
    /// Between two looks at workers that become ready.
    static constexpr std::chrono::milliseconds between_looks{5};

    Renewer(const PoolOptions& options, const PoolShape& shape, Workforce& workforce);

    void begin(TimePoint now) noexcept;

    /// One step. Returns false if the renewal is over, or given up because no new worker becomes ready within
    /// renewal_timeout.
    bool attend(TimePoint now) noexcept;

    /// Whether workers from before the reload are still to be replaced.
    [[nodiscard]] bool is_under_way() const noexcept { return under_way_; }
    /// Whether the last renewal was given up.
    [[nodiscard]] bool has_failed() const noexcept { return failed_; }

    /// Moves the deadline by `gap`, during which the master itself wasn't running.
    void forgive(std::chrono::nanoseconds gap) noexcept { moved_at_ += gap; }

private:
    const PoolOptions& options_;
    const PoolShape& shape_;
    Workforce& workforce_;
    bool under_way_ = false;
    bool failed_ = false;
    TimePoint moved_at_{};      ///< When it began, or a new worker was last ready.
    int renewed_ = 0;           ///< New processes that are ready.
    int processes_wanted_ = 0;  ///< As many as there were when it began.
};

}  // namespace bullpen
