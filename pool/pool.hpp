/// A pool: listeners + service + model + limits, and the workers that serve it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "pool/admission.hpp"
#include "pool/connections.hpp"
#include "pool/descriptor_budget.hpp"
#include "pool/door.hpp"
#include "pool/events.hpp"
#include "pool/gauges.hpp"
#include "pool/handoffs.hpp"
#include "pool/lobby.hpp"
#include "pool/pool_options.hpp"
#include "pool/pool_shape.hpp"
#include "pool/roster.hpp"
#include "pool/scoreboard.hpp"
#include "pool/shutdown.hpp"
#include "pool/sizer.hpp"
#include "pool/wake_up.hpp"
#include "pool/workforce.hpp"

namespace bullpen {

/// Lives in the master, which calls its verbs once a turn. Nothing here blocks, throws (after start()) or
/// trusts the scoreboard. Each duty has its owner among the parts; who owns a connection in which state:
///
///   in the kernel's backlog       the listener, see Door; nobody has accepted it
///   waiting                       Lobby: for a worker
///   parked                        Lobby: for its client
///   given, in the channel         Handoffs can take it back, also from a dead worker's
///   given, in the worker's hands  the worker; it dies with it (Workforce::settle counts it as lost)
///
/// From its accept to its end it has its place in Connections.
class Pool {
public:
    /// Opens the listeners and allocates the scoreboard. Throws AddressError or std::system_error.
    Pool(PoolOptions options, std::chrono::seconds drain_timeout);
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    [[nodiscard]] const PoolOptions& options() const noexcept { return options_; }
    [[nodiscard]] const std::vector<Listener>& listeners() const noexcept { return door_.listeners(); }

    /// The scoreboard's memfd, borrowed, for a ScoreboardReader with slots() rows.
    [[nodiscard]] int scoreboard_fd() const noexcept { return scoreboard_.fd(); }
    [[nodiscard]] std::uint32_t slots() const noexcept { return scoreboard_.slots(); }

    [[nodiscard]] DescriptorNeeds descriptor_needs() const;

    /// Before start(): how many connections the pool may have at once.
    void limit_connections(std::size_t most) { connections_.limit(most); }

    // The master's verbs, in the order of a turn.

    /// Watches what there is to watch. `kept` are the descriptors that workers keep besides their own.
    /// Throws.
    void start(Events& events, std::vector<int> kept, TimePoint now);

    /// Forks the first workers.
    void start_workers(TimePoint now) noexcept;

    /// Arms what is to wake the master. Until when it may wait then; TimePoint::min(): not at all.
    TimePoint prepare_to_wait(TimePoint now) noexcept;

    /// The master itself wasn't running for so long (a stopped process group, a suspended machine).
    void forgive(std::chrono::nanoseconds gap, TimePoint now) noexcept;

    /// Sees which workers have become ready, have finished, or have given a connection back.
    void note_progress(TimePoint now) noexcept;

    /// One of waitpid(2)'s reports. A process that has died is buried: what lay in its channel is taken back,
    /// what it had is lost, its slot is refilled. False: the pid is not one of this pool's workers.
    bool note_child(pid_t pid, int status, TimePoint now) noexcept;

    /// Ends workers that are busy with one request, or stopped, for longer than their limit.
    void end_overdue_workers(TimePoint now) noexcept;

    /// Takes back what a worker was given and has not received.
    void relieve_stuck_workers(TimePoint now) noexcept;

    /// Sees which parked clients have spoken, have left, or have been silent for too long.
    void attend_lobby(TimePoint now) noexcept;

    /// Gives waiting clients to free workers, the lowest slot first; accepts no more than there are free
    /// workers.
    void hand_out_clients(TimePoint now) noexcept;

    /// Grows or shrinks as plan_resize says.
    void resize(TimePoint now) noexcept;

    /// Publishes limits, gauges and, once a second, the kernel's queue lengths.
    void publish(TimePoint now) noexcept;

    // The orderly stop.

    /// From here on no new client gets in; the backlog and what is begun will be served until the deadline.
    void begin_stop(TimePoint now, TimePoint deadline) noexcept;

    /// One step of the stop: closes the listeners once the backlog is empty, retires idle workers, and ends
    /// by force those that are still busy at the deadline.
    void continue_stop(TimePoint now) noexcept;

    /// Every connection has ended and every worker is buried.
    [[nodiscard]] bool is_stopped() const noexcept;

private:
    std::optional<Place> next_client(TimePoint now) noexcept;
    std::optional<Place> next_from_door(TimePoint now) noexcept;
    [[nodiscard]] bool make_room() noexcept;
    [[nodiscard]] bool give(std::uint32_t slot, Place client, TimePoint now) noexcept;
    void fill_queue(TimePoint now) noexcept;
    void say_whether_wanted() noexcept;
    [[nodiscard]] bool may_give(TimePoint now) const noexcept;
    [[nodiscard]] bool is_standing_still(TimePoint now) const noexcept;
    [[nodiscard]] bool wait_for_workers() noexcept;
    [[nodiscard]] bool wait_for_clients(TimePoint now) noexcept;
    [[nodiscard]] TimePoint next_handing_out(TimePoint now) const noexcept;
    [[nodiscard]] TimePoint next_resize(TimePoint now) const noexcept;
    [[nodiscard]] int waiting_clients(const PoolCounts& counts) const noexcept;
    void announce(const Resize& plan, const PoolCounts& counts) const noexcept;
    void check_books() const noexcept;

    PoolOptions options_;
    PoolShape shape_;
    std::vector<std::string> listener_texts_;  ///< Of each listener, from which of PoolOptions::listen it is.
    std::vector<Listener> opened_;             ///< Until the door has them.
    Admission admission_;
    Scoreboard scoreboard_;
    WakeUp wake_up_;
    Connections connections_;
    Door door_;
    Lobby lobby_;
    Roster roster_;
    Workforce workforce_;
    Handoffs handoffs_;
    Sizer sizer_;
    Shutdown shutdown_;
    Gauges gauges_;
    bool wanted_ = false;  ///< Somebody waits because no worker is idle.
};

}  // namespace bullpen
