#include <bullpen/detail/stop_patience.hpp>

namespace bullpen {

bool StopPatience::is_over(const ServerView& server) noexcept {
    if (!server.is_stopping()) return false;
    const TimePoint now = Clock::now();
    if (!end_) end_ = now + server.stop_patience;
    return now >= *end_;
}

}  // namespace bullpen
