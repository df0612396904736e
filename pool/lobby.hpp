/// The lobby: connections that no slot has. Some wait for a worker, the parked ones wait for their client.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <bullpen/clock.hpp>
#include <bullpen/unique_fd.hpp>
#include "pool/connections.hpp"
#include "pool/events.hpp"
#include "pool/pool_options.hpp"

namespace bullpen {

/// Lives in the master. The lobby watches parked connections by an epoll of its own, which the master watches
/// as one descriptor. A registration reports once (EPOLLONESHOT) and stays, disarmed, until the connection is
/// parked again or closed. One that is armed is removed before the connection leaves the lobby: if another
/// process had the socket, too, it could no longer be removed after the close, and would report for ever.
/// Connections that wait for a worker are in one queue, and before it in a list of those that were given to a
/// worker once already.
class Lobby {
public:
    /// Throws std::system_error.
    Lobby(const PoolOptions& options, Connections& connections, Scoreboard& scoreboard);

    void watch_by(Events& events) { watch_.emplace(events.watch(epoll_.get())); }

    /// For a master whose predecessor has died, before watch_by(): takes over the connections that no slot
    /// has, in the order of their time here, with an epoll that knows only them. Throws std::system_error.
    [[gnu::cold]] void adopt(TimePoint now);

    // Connections that wait for a worker, and how they get there.

    /// For a connection that was taken back from a slot, or that a channel didn't take: it goes first.
    void put_first(Place client) noexcept;
    /// For a connection taken back from a slot because no worker is idle: to the front of the queue, which
    /// bounds its wait.
    void put_before_others(Place client) noexcept;
    void put_last(Place client) noexcept;

    /// Receives a client that was just accepted. Returns false if its service wants its first bytes
    /// (HandoffWhen::readable) and they haven't arrived: it is parked.
    [[nodiscard]] bool receive(Place client, TimePoint now) noexcept;

    /// Takes the first out of the list of those that go first.
    std::optional<Place> take_first() noexcept { return take(first_); }
    /// Takes the first out of the queue.
    std::optional<Place> take_next() noexcept { return take(queue_); }

    /// Whether it is the queue's turn and not the backlog's. The two take turns: each call returns the
    /// opposite of the last.
    [[nodiscard]] bool has_turn() noexcept { return turn_ = !turn_; }

    [[nodiscard]] bool goes_first() const noexcept { return !first_.empty(); }
    [[nodiscard]] std::size_t queued() const noexcept { return queue_.size(); }
    [[nodiscard]] std::size_t waiting() const noexcept { return first_.size() + queue_.size(); }

    /// Refuses clients at the queue's end while it is longer than queue, and at its front those that have
    /// waited for longer than queue_timeout. Clients whose answer has begun stay.
    void keep_queue_short(TimePoint now) noexcept;

    // Connections that wait for their client.

    /// Parks the connection until the event in its `parking` comes or its deadline passes.
    void park(Place client, TimePoint now) noexcept;

    /// Moves parked connections with something to do to the queue, and ends those whose client has left or
    /// whose deadline has passed, and those in the queue whose client has left.
    void attend(TimePoint now) noexcept;

    /// Closes the parked connection that has been idle longest. Returns false if none is idle.
    [[nodiscard]] bool evict_idle() noexcept;

    [[nodiscard]] std::size_t parked() const noexcept { return parked_; }

    // The upgrade.

    /// Calls take(entry) for each parked connection; those that it takes (true) have ended here.
    template <typename Take>
    void move_parked(Take take) noexcept {
        connections_.for_each(Where::parked, [&](Place client, ConnectionEntry& entry) {
            if (!take(std::as_const(entry))) return;
            unpark(client);
            connections_.end(client, Ending::completed());
        });
    }
    /// Parks a connection that another server had parked, with its deadline.
    void take_in(Place client, TimePoint now) noexcept;

    // The orderly stop.

    /// From here on a client between two requests has stop_settle at most to send the next one, and a client
    /// that has sent nothing yet has stop_patience.
    void begin_stop(TimePoint now) noexcept;

    /// Ends all connections as lost.
    void lose_all(ExitReason why) noexcept;

    /// Arms the watch. Returns when to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) noexcept;

private:
    enum class Look { nothing, ready, ended, broken };
    static constexpr std::size_t pauses = 9;  ///< Lengths of a pause: 1, 2, 4 … 256 times drip_pause_min.

    std::optional<Place> take(ConnectionList& list) noexcept;
    void enqueue(Place client, TimePoint now) noexcept;
    [[nodiscard]] bool may_have_spoken(const ConnectionEntry& entry) const noexcept;
    [[nodiscard]] bool watch(Place client) noexcept;
    void watch_parked(Place client, TimePoint now) noexcept;
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
    ConnectionList idle_;                         ///< Parked, watched and idle; the longest idle first.
    std::array<ConnectionList, pauses> resting_;  ///< Parked and not watched, by the length of the pause.
    std::size_t parked_ = 0;
    bool turn_ = false;
    bool stopping_ = false;
    TimePoint now_{};       ///< The time of this turn.
    TimePoint expired_{};   ///< When expire() last looked at all deadlines.
    TimePoint departed_{};  ///< When end_departed() last looked at the queue.
};

}  // namespace bullpen
