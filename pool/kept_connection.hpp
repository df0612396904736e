/// A connection that a worker keeps between two turns of its blocking handler.
#pragma once

#include <cstdint>

#include <bullpen/clock.hpp>
#include <bullpen/detail/parking.hpp>
#include "core/served_connection.hpp"
#include "pool/client.hpp"

namespace bullpen {

/// What the lobby is for connections that are given back, for those of a ReadinessLoop.
class KeptConnection {
public:
    KeptConnection(Client client, const ServerView& server, const TimeLimits& limits,
                   std::uint64_t begun_ns) noexcept;

    [[nodiscard]] ServedConnection& served() noexcept { return served_; }
    [[nodiscard]] int fd() const noexcept { return served_.fd(); }

    /// When its handler was first called (CLOCK_MONOTONIC).
    [[nodiscard]] std::uint64_t begun_ns() const noexcept { return begun_ns_; }

    /// After a turn: it waits for its client from now on.
    void park(Await what, TimePoint now) noexcept;

    [[nodiscard]] Await awaits() const noexcept { return what_; }

    /// It is between two requests.
    [[nodiscard]] bool is_idle() const noexcept { return what_ == Await::input && limit_ == Limit::idle; }

    /// When its client has kept the server waiting for too long.
    [[nodiscard]] TimePoint deadline() const noexcept { return deadline_; }

    /// Part of a message has come again and again: it isn't to be watched for a pause of this length, which
    /// doubles from `shortest` to `longest`, so that a message sent byte by byte doesn't cost a turn for each
    /// byte. Nothing, if 0.
    [[nodiscard]] std::chrono::milliseconds pause(std::chrono::milliseconds shortest,
                                                  std::chrono::milliseconds longest) const noexcept;

    /// Whether the event that it waits for is there.
    [[nodiscard]] bool is_ready() const noexcept;

    /// At the deadline: whether the client takes its answer, if slowly. Then there is a new deadline.
    [[nodiscard]] bool is_steady(TimePoint now) noexcept;

    /// Counts it as one whose limit is exceeded, if it has one.
    void set_exceeded() noexcept { served_.set_exceeded(limit_); }

    /// When the loop looks at it even if nothing comes; the loop's own.
    TimePoint alarm{};
    bool rests = false;  ///< It isn't watched, see pause().

private:
    ServedConnection served_;
    std::uint64_t begun_ns_;
    Await what_ = Await::input;
    Limit limit_ = Limit::idle;
    TimePoint deadline_{};
    std::uint32_t unsent_ = 0;  ///< Bytes in the kernel's buffer when it was last looked at, for output.
    int halves_ = 0;            ///< Turns in a row that have ended within a message.
};

}  // namespace bullpen
