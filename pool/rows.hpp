/// The slots' rows while nobody occupies them: what they say at a worker's birth, and how they are put right
/// after its death.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/clock.hpp"
#include "pool/pool_shape.hpp"
#include "pool/scoreboard.hpp"
#include "pool/slot_account.hpp"

namespace bullpen {

/// Lives in the master, which writes a row only before fork and after waitpid; of a program, which can't
/// write its row itself, also what it does.
class Rows {
public:
    Rows(Scoreboard& scoreboard, const PoolShape& shape)
        : scoreboard_{scoreboard}, shape_{shape}, born_with_(shape.slots) {}

    /// Remembers the row, to undo what a broken worker writes.
    void begin(std::uint32_t slot) noexcept;

    /// A program that serves one client has been started, or has ended with that status of waitpid(2).
    void note_program(std::uint32_t slot, TimePoint client_since) noexcept;
    void note_program_end(std::uint32_t slot, int status) noexcept;

    /// What a worker that accepts by itself had accepted and not ended when it died. Nothing: it left counts
    /// that can't be. They are believed only if they leave no more connections than a worker may have at
    /// once.
    [[nodiscard]] std::optional<std::uint64_t> held_by_acceptor(std::uint32_t slot) const noexcept;

    /// Whether what the row says besides its outcomes can be, of a worker that was given (or accepted) so
    /// many connections over the slot's life. If not, no reader would believe it ever again.
    [[nodiscard]] bool is_possible(std::uint32_t slot, std::uint64_t given) const noexcept;

    /// As it was at the birth.
    void restore(std::uint32_t slot) noexcept;

    /// As if its worker had come to the end of everything.
    void close(std::uint32_t slot, const SlotAccount& account) noexcept;

    /// Whether a worker of the process has come to an end with anything since its birth.
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
    std::vector<Copy> born_with_;
};

}  // namespace bullpen
