/// Rows: what the slots' rows say at a worker's birth, and how they are put right after its death.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <bullpen/clock.hpp>
#include "core/shared_array.hpp"
#include "pool/pool_shape.hpp"
#include "pool/scoreboard.hpp"
#include "pool/slot_account.hpp"

namespace bullpen {

/// Lives in the master, which writes a row only while no worker occupies the slot: before fork and after
/// waitpid. It also writes the row of a program, which can't write it itself.
class Rows {
public:
    Rows(Scoreboard& scoreboard, const PoolShape& shape)
        : scoreboard_{scoreboard}, shape_{shape}, born_with_{shape.slots} {}

    /// From here on children don't get the copies of the rows.
    void keep_from_children() noexcept { born_with_.keep_from_children(); }

    /// Copies the row at a worker's birth, so that restore() can undo what a broken worker writes.
    void begin(std::uint32_t slot) noexcept;

    /// A program for one client has been started, or has ended with `status` (of waitpid(2)).
    void note_program(std::uint32_t slot, TimePoint client_since) noexcept;
    void note_program_end(std::uint32_t slot, int status) noexcept;

    /// The number of connections that a dead worker had accepted by itself and not ended. Returns nothing if
    /// the row's counts are impossible: they are accepted only if they leave at most `capacity` connections.
    [[nodiscard]] std::optional<std::uint64_t> held_by_acceptor(std::uint32_t slot) const noexcept;

    /// Whether the row's values other than its outcomes are possible for a slot that was given (or accepted)
    /// `given` connections over its life. If not, readers of the scoreboard would reject the row for ever.
    [[nodiscard]] bool is_possible(std::uint32_t slot, std::uint64_t given) const noexcept;

    /// Restores the row as begin() copied it.
    void restore(std::uint32_t slot) noexcept;

    /// Sets the row's counts as if its worker had ended every connection.
    void close(std::uint32_t slot, const SlotAccount& account) noexcept;

    /// Whether a worker of the process has ended or given back a connection since its birth.
    [[nodiscard]] bool served_since_birth(SlotRange process) const noexcept;

private:
    using Copy = std::array<std::byte, sizeof(ScoreboardRow)>;

    struct Counts {
        std::uint64_t ended = 0;
        std::uint64_t returned = 0;
    };
    [[nodiscard]] Counts at_birth(std::uint32_t slot) const noexcept;

    Scoreboard& scoreboard_;
    const PoolShape& shape_;
    SharedArray<Copy> born_with_;  ///< Outlives a master.
};

}  // namespace bullpen
