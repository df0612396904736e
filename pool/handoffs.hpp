/// Handoffs: giving connections to workers and getting them back, over the slots' channels.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <bullpen/clock.hpp>
#include "core/channel.hpp"
#include "pool/connections.hpp"
#include "pool/doubts.hpp"
#include "pool/fate.hpp"
#include "pool/lobby.hpp"
#include "pool/pool_options.hpp"
#include "pool/pool_shape.hpp"
#include "pool/recalls.hpp"
#include "pool/roster.hpp"
#include "pool/slot_set.hpp"
#include "pool/workforce.hpp"

namespace bullpen {

/// Lives in the master, which keeps a copy of each socket that it hands over (of one that a program gets,
/// until the program has it). A worker gives a connection back as a number: its completion (see
/// pool/worker_pages.hpp) is accepted only if it names a connection that the worker was given and that isn't
/// settled.
class Handoffs {
public:
    Handoffs(const PoolOptions& options, const PoolShape& shape, Scoreboard& scoreboard,
             Connections& connections, Lobby& lobby, Roster& roster, Workforce& workforce, Recalls& recalls);

    /// Hands connections, messages_at_once at most, to the slot's worker. Returns how many of them, the first
    /// ones, it has now: less than all if its channel takes no more.
    [[nodiscard]] std::size_t give(std::uint32_t slot, std::span<const Place> clients,
                                   TimePoint now) noexcept;
    [[nodiscard]] bool give(std::uint32_t slot, Place client, TimePoint now) noexcept {
        return give(slot, std::span{&client, 1}, now) == 1;
    }

    /// For a master whose predecessor has died: takes over what is given to the slots. `twins` are sockets
    /// that the dead master had received from a channel, and so had taken back; `file` is a regular file that
    /// it had received, or empty, and is emptied if it is a connection's. A connection of which it isn't
    /// known whether its message was sent goes back to the lobby if it lies in the channel, or once the
    /// worker has answered and doesn't have it.
    [[gnu::cold]] void adopt(std::span<const UniqueFd> twins, UniqueFd& file, TimePoint now);

    /// Whether it is a regular file: nothing else is taken as a connection's.
    [[nodiscard]] static bool is_file(int fd) noexcept;

    /// Settles the connections that the workers have ended or parked.
    void note_progress(TimePoint now) noexcept;

    /// Whether a worker has published something that note_progress() hasn't noted yet.
    [[nodiscard]] bool has_news() const noexcept;

    /// Takes back connections that have been queued ahead for steal_after, if there are idle workers; and
    /// those at a worker that hasn't moved for stalled_after. Which no idle worker gets go first, or to the
    /// front of the queue if there is one.
    void rebalance(TimePoint now) noexcept;

    /// Takes back the connections that a worker has not received for stuck_after, because it is stopped or
    /// gets no CPU, and gives it no more until it answers a question (see Doubts).
    void relieve(TimePoint now) noexcept;

    /// Moves the deadlines of answers by `gap`, during which the master itself wasn't running.
    void forgive(std::chrono::nanoseconds gap) noexcept { doubts_.forgive(gap); }

    /// Takes back all connections that the slot's worker has not begun with: they go first.
    void take_back_all(std::uint32_t slot, TimePoint now) noexcept;

    /// Settles the slot of a dead worker: what it has published; what lies in its channel; and of the rest,
    /// what it had not begun, or was between two requests, goes on elsewhere (see pool/fate.hpp). What is
    /// left outstanding is lost.
    void settle(std::uint32_t slot, Death& death, TimePoint now) noexcept;

    /// Returns when to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) const noexcept;

private:
    [[nodiscard]] bool is_being_replaced(std::uint32_t slot) const noexcept;
    const char* take_completions(std::uint32_t slot, TimePoint now) noexcept;
    [[nodiscard]] bool accept(std::uint32_t slot, const Completion& completion, TimePoint now) noexcept;
    [[nodiscard]] bool note_declined(std::uint32_t slot, std::uint64_t handoff, TimePoint now) noexcept;
    void note_ended(std::uint32_t slot, const Completion& completion, TimePoint now) noexcept;
    [[nodiscard]] bool note_parked(std::uint32_t slot, const Completion& completion, TimePoint now) noexcept;
    [[nodiscard]] bool take_file(std::uint32_t slot, std::uint64_t handoff, ConnectionEntry& entry) noexcept;
    void give_away(std::uint32_t slot) noexcept;
    void settle_unsure(std::uint32_t slot, TimePoint now) noexcept;
    [[nodiscard]] bool knows_of(std::uint32_t slot, std::uint64_t handoff) noexcept;
    void take_unpublished(std::uint32_t slot, TimePoint now) noexcept;
    /// What it stands for if a dead worker has told nothing of a connection.
    enum class Silence { means_not_begun, hides };
    void give_again(std::uint32_t slot, Death& death, Silence silence, TimePoint now) noexcept;
    void go_on_elsewhere(Place client, Fate fate, const HandoffNote::Told& told, TimePoint now) noexcept;
    void empty_channel(std::uint32_t slot) noexcept;
    [[nodiscard]] bool send(std::uint32_t slot, std::span<const Place> clients, TimePoint now) noexcept;
    void take_back(std::uint32_t slot, ConnectionList& taken, TimePoint now) noexcept;
    void put_first(ConnectionList& taken) noexcept;
    void take_from_channel(std::uint32_t slot, ConnectionList& taken, TimePoint now) noexcept;
    void take(Place client, std::uint32_t slot, ConnectionList& taken, TimePoint now) noexcept;
    void withdraw(std::uint32_t slot, ConnectionList& taken, TimePoint now) noexcept;
    void relieve(std::uint32_t slot, TimePoint now) noexcept;

    const PoolOptions& options_;
    const PoolShape& shape_;
    Scoreboard& scoreboard_;
    Connections& connections_;
    Lobby& lobby_;
    Roster& roster_;
    Workforce& workforce_;
    Recalls& recalls_;
    Doubts doubts_;
    std::vector<TimePoint> handed_at_;  ///< By slot, when the last connection was handed over.
    SlotSet unsure_;  ///< After a master's death: it isn't known whether all that they were given was sent.
    bool out_of_memory_ = false;  ///< At the last look into a channel the kernel was out of memory.
};

}  // namespace bullpen
