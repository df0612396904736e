/// Where connections are while no slot has them: those that wait for a worker, and those that wait for their
/// client.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/clock.hpp"
#include "core/unique_fd.hpp"
#include "pool/connections.hpp"
#include "pool/events.hpp"
#include "pool/pool_options.hpp"

namespace bullpen {

/// Lives in the master. Parked connections are watched by an epoll of its own, which the master watches as
/// one descriptor. A registration never outlives the parking: it is removed before the descriptor goes
/// anywhere, because one that survives (another process has the socket, too) could not be removed any more
/// and would report for ever. Those that wait stand in one queue, before it those that were given once
/// already.
class Lobby {
public:
    /// Throws std::system_error.
    Lobby(const PoolOptions& options, Connections& connections, Scoreboard& scoreboard);

    void watch_by(Events& events) { watch_.emplace(events.watch(epoll_.get())); }

    // Those that wait for a worker. They have been put there by one of these:

    /// Taken back from a slot, or not taken by a channel: it goes first.
    void put_first(Place client) noexcept;
    /// Taken back from a slot in favour of the queue, which bounds its wait.
    void put_before_others(Place client) noexcept;
    void put_last(Place client) noexcept;

    /// A client that was just accepted. False: it hasn't spoken yet, its handler wants that, and it is
    /// parked.
    [[nodiscard]] bool receive(Place client, TimePoint now) noexcept;

    /// Takes out the first of those that go first.
    std::optional<Place> take_first() noexcept { return take(first_); }
    /// Takes out the first of the queue.
    std::optional<Place> take_next() noexcept { return take(queue_); }

    /// Clients in the queue and clients in the kernel's backlog take turns; whose it is changes with each
    /// call.
    [[nodiscard]] bool has_turn() noexcept { return turn_ = !turn_; }

    [[nodiscard]] bool goes_first() const noexcept { return !first_.empty(); }
    [[nodiscard]] std::size_t queued() const noexcept { return queue_.size(); }
    [[nodiscard]] std::size_t waiting() const noexcept { return first_.size() + queue_.size(); }

    /// Refuses the last of the queue while it is longer than queue, and the first that have waited for
    /// longer than queue_timeout. Those whose answer has begun stay.
    void keep_queue_short(TimePoint now) noexcept;

    // Those that wait for their client.

    /// Until what its `parking` says comes true or its deadline passes.
    void park(Place client, TimePoint now) noexcept;

    /// Sees which parked clients have spoken (they wait for a worker then), have left, or have been silent
    /// for too long, and which of those that wait for a worker have left.
    void attend(TimePoint now) noexcept;

    /// Closes the connection that has been idle for longest. False: there is none.
    [[nodiscard]] bool evict_idle() noexcept;

    [[nodiscard]] std::size_t parked() const noexcept { return parked_; }

    // The orderly stop.

    /// From here on no client that is between two requests, or hasn't said anything yet, is waited for for
    /// long.
    void begin_stop(TimePoint now) noexcept;

    /// All of them are lost.
    void lose_all(ExitReason why) noexcept;

    /// Arms the watch. When to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) noexcept;

private:
    enum class Look { nothing, ready, ended, broken };
    static constexpr std::size_t pauses = 9;  ///< 1, 2, 4 … 256 times drip_pause_min.

    std::optional<Place> take(ConnectionList& list) noexcept;
    void enqueue(Place client, TimePoint now) noexcept;
    [[nodiscard]] bool watch(Place client) noexcept;
    void unpark(Place client) noexcept;
    void rest(Place client, TimePoint now) noexcept;
    [[nodiscard]] ConnectionList& resting_list(const ConnectionEntry& entry) noexcept;
    bool end_rests(TimePoint now) noexcept;
    void see_off_all() noexcept;
    void see_off(Place client, Look look) noexcept;
    void expire(TimePoint now) noexcept;
    [[nodiscard]] bool is_steady(ConnectionEntry& entry, TimePoint now) const noexcept;
    void end_expired(Place client) noexcept;
    void end_departed(TimePoint now) noexcept;
    [[nodiscard]] TimePoint deadline_of(const ConnectionEntry& entry, TimePoint now) const noexcept;
    [[nodiscard]] static Look look_at(const ConnectionEntry& entry, std::uint32_t events) noexcept;

    const PoolOptions& options_;
    Connections& connections_;
    Scoreboard& scoreboard_;
    UniqueFd epoll_;
    std::optional<Events::Watch> watch_;
    ConnectionList first_;
    ConnectionList queue_;
    ConnectionList idle_;                         ///< Parked, watched and idle, the longest first.
    std::array<ConnectionList, pauses> resting_;  ///< Parked and not watched: by the length of their pause.
    std::size_t parked_ = 0;
    bool turn_ = false;
    bool stopping_ = false;
    TimePoint now_{};       ///< Of the turn.
    TimePoint expired_{};   ///< When the deadlines were last looked at,
    TimePoint departed_{};  ///< and those that wait.
};

}  // namespace bullpen
