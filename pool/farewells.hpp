/// Farewells: clients that were refused with an answer and may still be sending.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>

#include <bullpen/clock.hpp>
#include <bullpen/time_limits.hpp>
#include <bullpen/unique_fd.hpp>

namespace bullpen {

/// Lives in the master. Their connections have ended and are counted; only the sockets are kept, so that the
/// answer arrives, and what the clients send is thrown away: see core/lingering.hpp. They are looked at
/// regularly and not watched: most are over at the first look.
class Farewells {
public:
    static constexpr std::size_t most = 256;  ///< For one more, the oldest is closed.

    /// Owns a socket whose answer has left and whose output is ended.
    void add(UniqueFd socket) noexcept;

    /// If it is time: throws away what has come, and closes those that are over.
    void attend(TimePoint now, const TimeLimits& limits, bool stopping) noexcept;

    /// Returns when to look again.
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) noexcept;

    void close_oldest() noexcept;
    void close_all() noexcept { all_.clear(); }

    [[nodiscard]] bool empty() const noexcept { return all_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }

private:
    struct Farewell {
        UniqueFd socket;
        TimePoint begun{};  ///< Set at the first look.
        TimePoint heard{};
    };

    [[nodiscard]] bool is_over(Farewell& one, TimePoint now, const TimeLimits& limits,
                               bool stopping) noexcept;

    std::deque<Farewell> all_;  ///< The oldest first.
    TimePoint look_again_{};    ///< Default-constructed: a pause from now on.
    std::chrono::milliseconds pause_{};
};

}  // namespace bullpen
