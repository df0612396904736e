/// Connections on their way to workers and back, over the slots' channels.
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

/// What a row may tell.
enum class News { returned, any };

/// Lives in the master. What a worker says is believed only as far as it was given what it speaks of.
class Handoffs {
public:
    /// `families` are those of the pool's listeners' sockets (AF_INET …).
    Handoffs(const PoolOptions& options, const PoolShape& shape, Scoreboard& scoreboard,
             Connections& connections, Lobby& lobby, Roster& roster, Workforce& workforce,
             std::vector<int> families);

    /// Hands the connection to the slot's worker. False: its channel takes no more now.
    [[nodiscard]] bool give(std::uint32_t slot, Place client, TimePoint now) noexcept;

    /// Compares what the slots were given with what their rows say has ended or was given back, and parks
    /// what was given back.
    void note_progress(TimePoint now) noexcept;

    /// Whether a row says so of something that isn't noted yet.
    [[nodiscard]] bool has_news(News which) const noexcept;

    /// What is queued ahead at workers that are busy for longer goes to idle ones, or to the queue that
    /// bounds its wait.
    void rebalance(TimePoint now) noexcept;

    /// Takes back what a worker was given and has not received for stuck_after (it is stopped, or starved);
    /// it gets nothing more until it answers. A worker that answers, or never does, and doesn't have what it
    /// was given is replaced: somebody else reads its channel.
    void relieve(TimePoint now) noexcept;

    /// Ends the waits for a next request that have lasted for `await_next`, or all (`at_once`). Looks at the
    /// rows each `await_next` while any worker waits so, and ever more seldom while none does.
    void recall_awaiting(bool at_once, TimePoint now) noexcept;

    /// The master itself wasn't running for so long: nobody is to blame for an answer that didn't come.
    void forgive(std::chrono::nanoseconds gap) noexcept;

    /// Takes back all that lies in the slot's channel, of a worker that is dead or is to be given nothing
    /// more.
    void take_back_all(std::uint32_t slot, TimePoint now) noexcept;

    /// What a dead worker has sent is as good as any: each message is whole.
    void take_last_returned(std::uint32_t slot, TimePoint now) noexcept;

    /// When to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) const noexcept;

private:
    /// What is needed of a slot only when something is not as usual.
    struct Doubt {
        TimePoint handed_at{};              ///< The last one.
        std::uint32_t questions = 0;        ///< Asked over the slot's life: is anybody there?
        std::optional<TimePoint> asked_at;  ///< The last question is not settled yet.
        TimePoint answered_at{};
        std::uint32_t generation = 0;  ///< Of the worker that was asked.
        std::uint64_t recalled = 0;    ///< The wait that it was told to end, by its begin.
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
    int asked_ = 0;  ///< Slots with a question that is not settled.
    std::chrono::milliseconds recall_pause_{1};
    TimePoint next_recall_{};
    bool out_of_memory_ = false;  ///< The kernel was, at the last look into a channel.
};

}  // namespace bullpen
