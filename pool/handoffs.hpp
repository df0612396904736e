/// Handoffs: giving connections to workers and getting them back, over the slots' channels.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/channel.hpp"
#include "core/clock.hpp"
#include "pool/connections.hpp"
#include "pool/lobby.hpp"
#include "pool/pool_options.hpp"
#include "pool/pool_shape.hpp"
#include "pool/roster.hpp"
#include "pool/workforce.hpp"

namespace bullpen {

/// What a caller wants to know from the rows: connections given back, or also those that have ended.
enum class News { returned, any };

/// Lives in the master. A worker's message or count is accepted only if it concerns a connection that the
/// worker was given and that isn't settled.
class Handoffs {
public:
    /// `families` are those of the pool's listeners' sockets (AF_INET …).
    Handoffs(const PoolOptions& options, const PoolShape& shape, Scoreboard& scoreboard,
             Connections& connections, Lobby& lobby, Roster& roster, Workforce& workforce,
             std::vector<int> families);

    /// Hands the connection to the slot's worker. Returns false if its channel takes no more now.
    [[nodiscard]] bool give(std::uint32_t slot, Place client, TimePoint now) noexcept;

    /// Settles the connections that, by the slots' rows, have ended or were given back, and parks the latter.
    void note_progress(TimePoint now) noexcept;

    /// Whether a row reports something that note_progress() hasn't noted yet.
    [[nodiscard]] bool has_news(News which) const noexcept;

    /// Takes back connections that have been queued ahead for steal_after: they go to idle workers or, if
    /// queue is set, to the lobby's queue, which bounds their wait.
    void rebalance(TimePoint now) noexcept;

    /// Takes back the connections that a worker has not received for stuck_after, because it is stopped or
    /// gets no CPU, and gives it no more until it answers a question. The worker is replaced if another
    /// process reads its channel: if it has answered, or hasn't within stopped_timeout, and connections are
    /// neither in its hands nor in the channel.
    void relieve(TimePoint now) noexcept;

    /// Ends the workers' waits for a next request that have lasted for await_next, or all (`at_once`). Looks
    /// at the rows every await_next while a worker waits so; while none does, the pause doubles up to
    /// stuck_after / 2.
    void recall_awaiting(bool at_once, TimePoint now) noexcept;

    /// Moves the deadlines of answers by `gap`, during which the master itself wasn't running.
    void forgive(std::chrono::nanoseconds gap) noexcept;

    /// Takes back all connections in the slot's channel, whose worker is dead or is given no more.
    void take_back_all(std::uint32_t slot, TimePoint now) noexcept;

    /// Parks the connections that a dead worker gave back before it died: each message is whole.
    void take_last_returned(std::uint32_t slot, TimePoint now) noexcept;

    /// Returns when to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) const noexcept;

private:
    /// What the master needs to find out whether a slot's worker is stuck or robbed.
    struct Doubt {
        TimePoint handed_at{};        ///< When the last connection was handed over.
        std::uint32_t questions = 0;  ///< What the row's `answers` must reach to answer the last question.
        std::optional<TimePoint> asked_at;  ///< When the last question was asked; empty once it is settled.
        TimePoint answered_at{};
        std::uint32_t generation = 0;  ///< Names the worker that was asked.
        std::uint64_t recalled = 0;    ///< When the wait began that the worker was last told to end.
    };
    [[nodiscard]] bool note_returned(std::uint32_t slot, TimePoint now) noexcept;
    [[nodiscard]] bool is_being_replaced(std::uint32_t slot) const noexcept;
    void note_finished(std::uint32_t slot, std::uint64_t finished, TimePoint now) noexcept;
    [[nodiscard]] bool take_returned(std::uint32_t slot, TimePoint now) noexcept;
    [[nodiscard]] bool keep_returned(std::uint32_t slot, Received received, Envelope& envelope,
                                     TimePoint now) noexcept;
    std::optional<Place> take_back_one(std::uint32_t slot, TimePoint now) noexcept;
    void relieve(std::uint32_t slot, TimePoint now) noexcept;
    void ask(std::uint32_t slot, TimePoint now) noexcept;
    void judge(std::uint32_t slot, TimePoint now) noexcept;
    [[nodiscard]] std::chrono::milliseconds shortest_recall_pause() const noexcept;
    void settle_doubt(std::uint32_t slot) noexcept;
    void note_answer(std::uint32_t slot, TimePoint now) noexcept;
    [[nodiscard]] bool holds_what_it_was_given(std::uint32_t slot) const noexcept;

    const PoolOptions& options_;
    const PoolShape& shape_;
    Scoreboard& scoreboard_;
    Connections& connections_;
    Lobby& lobby_;
    Roster& roster_;
    Workforce& workforce_;
    std::vector<int> families_;
    std::vector<Doubt> doubts_;
    int asked_ = 0;  ///< The number of slots with a question that is not settled.
    std::chrono::milliseconds recall_pause_{1};
    TimePoint next_recall_{};
    bool out_of_memory_ = false;  ///< At the last look into a channel the kernel was out of memory.
};

}  // namespace bullpen
