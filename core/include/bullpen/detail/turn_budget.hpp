/// How much of its worker a client gets in one turn, where a worker serves many clients in turns.
#pragma once

#include <algorithm>
#include <cstddef>

namespace bullpen {

/// Part of a ClientWait. A client that has used up its turn is told that nothing more is there, or that there
/// is no more room: its handler parks it, and has its next turn after all others.
class TurnBudget {
public:
    static constexpr int looks_most = 8;                     ///< Connection::peek().
    static constexpr std::size_t bytes_most = 256UL * 1024;  ///< Sent by write_some() and send_file_some().

    void begin_turn() noexcept { *this = {}; }

    /// Whether the client's input may be looked at once more in this turn.
    [[nodiscard]] bool take_look() noexcept { return looks_ > 0 && looks_-- > 0; }

    /// How many of so many bytes may be sent in this turn.
    [[nodiscard]] std::size_t room_for(std::size_t bytes) const noexcept { return std::min(bytes, bytes_); }

    void note_sent(std::size_t bytes) noexcept { bytes_ -= room_for(bytes); }

private:
    int looks_ = looks_most;
    std::size_t bytes_ = bytes_most;
};

}  // namespace bullpen
