/// How a worker waits for one client: for how long, and what else ends the wait.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <bullpen/clock.hpp>
#include <bullpen/detail/client_socket.hpp>
#include <bullpen/detail/parking.hpp>
#include <bullpen/detail/server_view.hpp>
#include <bullpen/detail/stop_patience.hpp>
#include <bullpen/detail/turn_budget.hpp>
#include <bullpen/peek.hpp>
#include <bullpen/time_limits.hpp>

namespace bullpen {

class WriteProgress;

/// Part of a Connection, which passes its socket along. What runs out throws TimedOut.
class ClientWait {
public:
    static constexpr const char* incomplete = "the client hasn't sent the whole of it in time";
    static constexpr const char* kept_waiting =
        "the client kept the server waiting for longer than the limit";

    explicit ClientWait(ServerView server) noexcept : server_{server} {}

    [[nodiscard]] const ServerView& server() const noexcept { return server_; }
    [[nodiscard]] TimeLimits& limits() noexcept { return limits_; }
    [[nodiscard]] const TimeLimits& limits() const noexcept { return limits_; }

    /// How long a call may wait that isn't told not to: what the socket was given.
    void set_slice(std::chrono::milliseconds slice) noexcept { server_.slice = slice; }

    /// How the client is waited for, here or while the connection is parked.
    [[nodiscard]] Parking& parking() noexcept { return parking_; }
    [[nodiscard]] const Parking& parking() const noexcept { return parking_; }
    void wait_at_most(const ClientSocket& socket, Patience patience, std::size_t input_at_least) noexcept;
    void want_input(const ClientSocket& socket, std::size_t at_least) noexcept;

    /// The worker only waits: what it does now is no part of a request that takes too long.
    void say_nothing_is_worked_on() const noexcept;

    /// What is left of this turn, if server().takes_turns.
    [[nodiscard]] TurnBudget& turn() noexcept { return turn_; }

    // Input.

    /// See Connection::peek(), after wait_at_most().
    [[nodiscard]] std::optional<Peeked> peek(ClientSocket& socket, std::span<std::byte> buffer,
                                             std::size_t beyond);

    /// The last peek() since forget_looking() found nothing more than its caller had seen.
    [[nodiscard]] bool has_seen_all() const noexcept { return has_seen_all_; }
    void forget_looking() noexcept { has_seen_all_ = false; }

    /// So many bytes that were seen have been taken.
    void note_taken(std::size_t bytes) noexcept;

    /// Nothing: it wasn't there when it was looked for after the deadline.
    [[nodiscard]] std::optional<std::size_t> receive_until(ClientSocket& socket, std::span<std::byte> buffer,
                                                           TimePoint deadline);

    /// See Connection::wait_readable().
    [[nodiscard]] bool until_readable(ClientSocket& socket, Patience patience);

    // Room for output.

    /// See Connection::wait_writable().
    void until_writable(ClientSocket& socket, Patience patience) const;

    /// `written`: bytes since it was last called.
    void until_writable(ClientSocket& socket, WriteProgress& progress, std::size_t written) const;

    /// Waits for it a moment, if no client waits for this worker and the master wants nothing of it.
    [[nodiscard]] bool room_comes_soon(const ClientSocket& socket) noexcept;

    /// The same of input.
    [[nodiscard]] bool input_comes_soon(const ClientSocket& socket) noexcept;

    // Between two calls of the handler.

    /// See ServedConnection::wait_here().
    [[nodiscard]] bool wait_here(ClientSocket& socket, Await what);

private:
    enum class Came { client, message, nothing };

    [[nodiscard]] bool comes_soon(const ClientSocket& socket, short events) noexcept;
    [[nodiscard]] std::optional<Peeked> peek_a_moment(ClientSocket& socket, std::span<std::byte> buffer,
                                                      std::size_t beyond);
    [[nodiscard]] std::optional<Peeked> peek_within_limit(ClientSocket& socket, std::span<std::byte> buffer,
                                                          std::size_t beyond);
    [[nodiscard]] std::optional<Peeked> look(ClientSocket& socket, std::span<std::byte> buffer,
                                             std::size_t beyond, int flags);
    [[nodiscard]] bool may_await_next() noexcept;
    void note_vain_wait(TimePoint begun) noexcept;
    [[nodiscard]] Came wait_a_moment(const ClientSocket& socket, short events, TimePoint begun,
                                     std::optional<std::chrono::nanoseconds> at_most) noexcept;

    [[nodiscard]] bool until_ready(ClientSocket& socket, short events, Limit limit, TimePoint deadline);
    void set_deadline(TimePoint deadline) noexcept;
    [[nodiscard]] TimePoint deadline_from(TimePoint begin, Limit limit) const noexcept;
    [[nodiscard]] int flags_of_first(const ClientSocket& socket, TimePoint now,
                                     TimePoint deadline) const noexcept;
    [[nodiscard]] std::chrono::nanoseconds next_look(std::chrono::nanoseconds left) noexcept;
    [[nodiscard]] bool is_let_go(const ClientSocket& socket) noexcept;
    [[nodiscard]] bool others_need_worker(const ClientSocket& socket, Limit limit) noexcept;
    void end_if_silent_at_stop(ClientSocket& socket);

    ServerView server_;
    TimeLimits limits_;
    Parking parking_;
    std::size_t expected_ = SIZE_MAX;         ///< Bytes that a look will most likely find; at first any.
    std::chrono::milliseconds next_look_{0};  ///< The last span of waiting.
    StopPatience stop_patience_;
    TurnBudget turn_;
    bool has_seen_all_ = false;
    bool gave_up_ = false;  ///< Waiting, where others need the worker more.
};

}  // namespace bullpen
