/// A snapshot: a pool's numbers at one moment, as a process other than the master reads them from the
/// scoreboard.
///
/// The conservation law holds in each snapshot, also under load: accepted = ended + in flight. It rests on
/// three things. The master's accounts are read between two of its changes (Scoreboard::Change). A slot's
/// connections in flight are what the master gave it less what its row says has ended, as in the master
/// itself. And the rows are read first: what a row says has ended, the master had given before.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "pool/scoreboard.hpp"

namespace bullpen {

/// The sums over a whole pool.
struct PoolTotals {
    std::uint64_t accepted = 0;
    std::uint64_t completed = 0;  ///< The handler returned.
    std::uint64_t failed = 0;     ///< The handler threw.
    std::uint64_t client_aborted = 0;
    std::array<std::uint64_t, limits_count> timed_out{};
    std::array<std::uint64_t, refusals> refused_by{};
    std::array<std::uint64_t, exit_reasons> lost_by{};
    std::uint64_t refused = 0;  ///< The sum of refused_by.
    std::uint64_t lost = 0;     ///< The sum of lost_by.
    std::uint64_t parked = 0;   ///< Connections that wait for their client without a worker.
    std::uint64_t queued = 0;   ///< Connections that wait for a worker, in the lobby or in a channel.
    std::uint64_t begun = 0;    ///< Connections in a handler now.
    std::uint32_t starting = 0;
    std::uint32_t idle = 0;
    std::uint32_t busy = 0;
    std::uint32_t draining = 0;
    std::uint32_t ready = 0;  ///< Slots whose process is ready, including those without a thread now.

    /// accepted - ended - in flight: 0 by the conservation law.
    [[nodiscard]] std::int64_t unaccounted() const noexcept;
};

struct HistogramNumbers {
    std::array<std::uint64_t, histogram_buckets> counts{};
    std::uint64_t sum_ns = 0;
};

/// A copy of a row's counters.
struct RowNumbers {
    std::uint64_t accepted = 0;
    std::uint64_t begun = 0;
    std::uint64_t returned = 0;
    std::uint64_t completed = 0;
    std::uint64_t failed = 0;
    std::uint64_t client_aborted = 0;
    std::uint64_t refused = 0;
    std::array<std::uint64_t, limits_count> timed_out{};
    std::uint64_t busy_ns = 0;
    HistogramNumbers queue_wait;
    HistogramNumbers service;

    /// The number of connections that ended in the worker.
    [[nodiscard]] std::uint64_t ended() const noexcept;
};

struct SlotNumbers {
    Stage stage = Stage::vacant;
    std::uint32_t generation = 0;  ///< 0: no worker has ever occupied it.
    std::uint64_t handed = 0;
    std::uint64_t returned = 0;
    std::uint64_t lost = 0;
    std::uint64_t given = 0;
    Activity activity = Activity::starting;
    RowNumbers row;
    RowNumbers carried;  ///< Part of `row`: counts that a burial removed where workers accept.
};

struct Snapshot {
    PoolTotals totals;
    std::vector<SlotNumbers> slots;
    std::uint64_t taken_ns = 0;  ///< CLOCK_MONOTONIC.
};

/// `last` is an earlier snapshot of the same scoreboard. A row that contradicts `last` or the master's
/// accounts was written by a broken worker, and is replaced by its values in `last`; without `last`, by
/// zeros. So no counter decreases or shows an impossible value. Connections that such a worker had counted as
/// ended, and that the master had not noted at its burial, count as lost from then on.
Snapshot take_snapshot(const ScoreboardReader& board, const Snapshot* last = nullptr);

/// The totals of a snapshot without an earlier one.
PoolTotals total(const ScoreboardReader& board);

}  // namespace bullpen
