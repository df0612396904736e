/// News: how the keeper wakes the master, and how that wakes itself for another turn.
#pragma once

#include <optional>

#include <bullpen/unique_fd.hpp>
#include "pool/events.hpp"

namespace bullpen {

/// An eventfd, made in the keeper's image. What the news is stands elsewhere: in the logbook, in orders that
/// wait.
class News {
public:
    /// Throws std::system_error.
    News();

    /// Borrowed, for the keeper.
    [[nodiscard]] int fd() const noexcept { return eventfd_.get(); }

    void announce() const noexcept;

    // In a master.

    void watch_by(Events& events) { watch_.emplace(events.watch(eventfd_.get())); }
    void arm() { watch_->arm(); }

    /// Returns whether there have been any since the last call.
    [[nodiscard]] bool take() noexcept;

private:
    UniqueFd eventfd_;
    std::optional<Events::Watch> watch_;
};

}  // namespace bullpen
