/// How long a client that nobody has served yet is still waited for at a stop.
#pragma once

#include <optional>

#include <bullpen/clock.hpp>
#include <bullpen/detail/server_view.hpp>

namespace bullpen {

class StopPatience {
public:
    /// Counts from the first time that it is asked with the whole server stopping. A worker that leaves alone
    /// has as much patience as ever.
    [[nodiscard]] bool is_over(const ServerView& server) noexcept;

    /// When it will be over, once it has been asked at a stop.
    [[nodiscard]] std::optional<TimePoint> end() const noexcept { return end_; }

private:
    std::optional<TimePoint> end_;
};

}  // namespace bullpen
