/// Wake-ups: how workers wake the master.
#pragma once

#include <optional>

#include <bullpen/unique_fd.hpp>
#include "pool/events.hpp"
#include "pool/scoreboard.hpp"

namespace bullpen {

/// An eventfd, which workers write if a word in the scoreboard's header asks for it. Lives in the master. All
/// accesses are sequentially consistent: the master sets the word, looks once more whether a worker has
/// published anything, then waits; a worker publishes, then looks at the word. A worker can be killed between
/// the two, so every wait of the master is bounded.
class WakeUp {
public:
    /// Throws std::system_error.
    explicit WakeUp(ScoreboardHeader& header);

    void watch_by(Events& events) { watch_.emplace(events.watch(eventfd_.get())); }

    /// The eventfd, borrowed, for the workers.
    [[nodiscard]] int fd() const noexcept { return eventfd_.get(); }

    void arm() { watch_->arm(); }

    /// From here on a worker that has finished something wakes the master.
    void ask_for_room() noexcept { header_.wake_on_room.store(1, std::memory_order_seq_cst); }
    void ask_for_room(bool wanted) noexcept {
        header_.wake_on_room.store(wanted ? 1 : 0, std::memory_order_relaxed);
    }

    /// From here on a worker that has given a connection back wakes the master.
    void ask_for_returned() noexcept { header_.wake_on_return.store(1, std::memory_order_seq_cst); }

    /// To be called at the beginning of a turn: clears the words and the eventfd.
    void note_awake() noexcept;

private:
    ScoreboardHeader& header_;
    UniqueFd eventfd_;
    std::optional<Events::Watch> watch_;
};

}  // namespace bullpen
