/// A worker's place in the pool.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/channel.hpp"
#include "core/clock.hpp"
#include "core/listener.hpp"
#include "pool/held_client.hpp"
#include "pool/scoreboard.hpp"

namespace bullpen {

/// A connection that was handed to a slot.
struct GivenClient {
    std::uint32_t number = 0;
    Account account;
};

/// The master's private account of a slot, which it trusts more than the scoreboard. It outlives the workers
/// that occupy the slot, and so does its channel.
struct Slot {
    pid_t pid = 0;  ///< 0: vacant.
    std::uint32_t generation = 0;
    ChannelEnds channel;              ///< Both ends: what was handed off survives its receiver.
    std::vector<Listener> listeners;  ///< Its own, where the model wants that: so does their backlog.
    std::uint64_t handed = 0;         ///< Given to it and not taken back, over the slot's life.
    std::uint64_t finished = 0;  ///< Of those, ended in the worker: the last believable value of its row.
    std::uint64_t returned = 0;  ///< Of those, given back by the worker.
    std::uint64_t lost = 0;      ///< Of those, ended by a worker's death.
    /// Those that are not settled, in their order. Not kept where a worker serves several at once: it can't
    /// be told then which of them has ended.
    std::vector<GivenClient> given;
    std::uint32_t number = 0;  ///< Of the last handoff.
    std::optional<ExitReason> ended_by_us;
    TimePoint handed_at{};        ///< The last one.
    TimePoint moved_at{};         ///< When it was last handed or seen to finish something.
    TimePoint told_at{};          ///< When it was last told to leave.
    std::uint32_t questions = 0;  ///< Asked over the slot's life: is anybody there?
    bool stuck = false;           ///< The last question is not answered yet.
    std::array<std::byte, sizeof(ScoreboardRow)> row_at_spawn;  ///< To undo what a broken worker writes.

    [[nodiscard]] std::uint64_t outstanding() const noexcept { return handed - finished - returned - lost; }
};

}  // namespace bullpen
