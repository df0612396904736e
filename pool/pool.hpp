/// A pool: listeners + service + model + limits, and the workers that serve it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <bullpen/clock.hpp>
#include "pool/admission.hpp"
#include "pool/connections.hpp"
#include "pool/control_line.hpp"
#include "pool/datagram_admission.hpp"
#include "pool/descriptor_budget.hpp"
#include "pool/door.hpp"
#include "pool/events.hpp"
#include "pool/gauges.hpp"
#include "pool/handoffs.hpp"
#include "pool/lobby.hpp"
#include "pool/opened_listeners.hpp"
#include "pool/passed_listener.hpp"
#include "pool/pool_options.hpp"
#include "pool/pool_shape.hpp"
#include "pool/present_pool.hpp"
#include "pool/recalls.hpp"
#include "pool/renewer.hpp"
#include "pool/roster.hpp"
#include "pool/scoreboard.hpp"
#include "pool/shutdown.hpp"
#include "pool/size_orders.hpp"
#include "pool/sizer.hpp"
#include "pool/status.hpp"
#include "pool/upgrade_channel.hpp"
#include "pool/wake_up.hpp"
#include "pool/workforce.hpp"

namespace bullpen {

/// Lives in the master, which calls its verbs once a turn. No function blocks, throws (after start()) or
/// trusts the scoreboard. Each duty has one owner among the parts.
///
/// From its accept to its end a connection has a place in Connections, with the master's copy of its socket
/// (but for one that a program has). Its owner, by its state, and what becomes of it if its worker is killed
/// right there (see pool/fate.hpp):
///
///   in the kernel's backlog       the listener, see Door   it is not accepted yet
///   waiting for a worker          Lobby                    no worker has it
///   parked, waiting for a client  Lobby                    no worker has it
///   given, in the channel         Handoffs                 another worker gets it
///   given, received               the worker               another worker gets it, any number of times
///   given, kept (between two      the worker               Lobby parks it; where workers don't park,
///     requests)                                            another worker gets it
///   given, begun                  the worker               retry_crashed other workers get it; then it is
///                                                          lost, as after exit() or an end by the master
///   given, touched                the worker               it is lost, see Workforce::settle()
///   given, ended and counted      the worker               it has ended as counted
///   given to a program            the program              it is lost
///
/// If the master itself dies, nothing is closed: its successor finds the table, adopts it, and the workers
/// notice nothing, see adopt(). What becomes of a connection at which the master dies in the middle of an
/// act:
///
///   accept4, then add()            it is no one's: the successor adds it
///   give(), then sendmsg           it goes back to the lobby unless the worker has it, see Handoffs::adopt()
///   recvmsg, then take_back()      the received copy tells: it goes back to the lobby
///   a completion, then its ring's  both are of one Scoreboard::Change, which is taken back: the
///     index                        completion is accepted again
///   end(), then close              the successor closes it
class Pool {
public:
    /// Opens the listeners and allocates the scoreboard. Throws AddressError or std::system_error.
    Pool(PoolOptions options, std::chrono::seconds drain_timeout);
    /// With listeners that are open already. Throws std::system_error.
    Pool(PoolOptions options, OpenedListeners opened, std::chrono::seconds drain_timeout);
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    [[nodiscard]] const PoolOptions& options() const noexcept { return options_; }
    [[nodiscard]] const std::vector<Listener>& listeners() const noexcept { return door_.listeners(); }

    /// See Door.
    [[nodiscard]] bool is_in_service(std::size_t listener) const noexcept {
        return door_.is_in_service(listener);
    }

    /// The scoreboard's memfd, borrowed, for a ScoreboardReader with slots() rows.
    [[nodiscard]] int scoreboard_fd() const noexcept { return scoreboard_.fd(); }
    [[nodiscard]] std::uint32_t slots() const noexcept { return scoreboard_.slots(); }

    /// What the pool would need with these options, which may be its own.
    [[nodiscard]] DescriptorNeeds descriptor_needs(const PoolOptions& options) const;

    /// Sets how many connections the pool may have at once; called before start(). `places`: see
    /// Connections::limit().
    void limit_connections(std::size_t most, std::size_t places) { connections_.limit(most, places); }

    // The reload, in the keeper between two masters: what the next one is made from.

    /// Whether it has been told to stop; of a pool that serves, stopped is the whole server.
    [[nodiscard]] bool is_leaving() const noexcept { return stop_[0].begun; }

    [[nodiscard]] PresentPool present() const;

    /// What change() needs, made before anything is changed. Throws std::invalid_argument or
    /// std::runtime_error.
    struct Change {
        PoolOptions options;
        std::vector<Listener> added;
        std::vector<std::size_t> places;  ///< Of those.
        std::vector<std::string> texts;   ///< Of all listeners.
        Admission admission;
        DatagramAdmission datagram_admission;
        bool new_listeners = false;
    };
    [[nodiscard]] Change prepare_change(PoolOptions wanted, OpenedListeners added) const;

    /// Gives the pool new options and listeners. Listeners that aren't wanted any more drain as at a stop. If
    /// what workers are started with has changed, they are replaced a few at a time. Returns whether
    /// listeners have changed.
    bool change(Change&& change, std::chrono::seconds drain_timeout) noexcept;

    /// The places of the listeners in service that were opened from the text.
    [[nodiscard]] std::vector<std::size_t> listeners_from(const std::string& text) const;

    /// Leaves a listener to another pool, which has its twin.
    void give_away(std::size_t listener) noexcept;

    /// The files of UNIX listeners that were another's are this pool's from here on.
    void own_files() noexcept { door_.own_files(); }

    /// From here on it only finishes what has begun.
    void remove(TimePoint deadline) noexcept;

    /// Whether the number was that of a listener that is closed: it may be another's now.
    [[nodiscard]] bool has_closed(int fd) const noexcept { return door_.has_closed(fd); }

    // The upgrade.

    /// In a new server: accepts nobody until release(), and where the workers accept starts none.
    void hold() noexcept;
    void release() noexcept;

    /// In a new server: takes in a connection of the old one's. One that finds no room is closed.
    void take_in(const MovedConnection& moved, UniqueFd socket, UniqueFd file, TimePoint now) noexcept;

    /// In the old server: those in service, for the new one.
    [[nodiscard]] std::vector<PassedListener> listeners_to_pass_on() const;

    /// In the old server: the listeners are the new one's from here on; what has been accepted is served
    /// until the deadline.
    void give_way(TimePoint now, TimePoint deadline) noexcept;

    /// There is no way to the new server any more: parked connections end as at a stop.
    void end_moving(TimePoint now) noexcept { lobby_.begin_stop(now); }

    /// Calls send(moved, socket, file) for each parked connection; those that it takes have ended here.
    template <typename Send>
    void move_clients(Send send) noexcept {
        lobby_.move_parked([&](const ConnectionEntry& entry) {
            return send(MovedConnection::of(entry), entry.socket.get(), entry.file ? entry.file.get() : -1);
        });
    }

    // The master's verbs, in the order of a turn.

    /// Begins to watch the pool's descriptors. `kept` are the descriptors that workers keep besides their
    /// own. Throws std::system_error.
    void start(Events& events, std::vector<int> kept, TimePoint now);

    /// For a master whose predecessor has died; before start(). The parts claim their descriptors, in all
    /// pools before any continues with go_on(). Throws std::system_error.
    void adopt(OpenDescriptors& open, TimePoint now);

    /// Takes what is this pool's of the descriptors that nobody has claimed, and goes on where the dead
    /// master was. `file` is a regular file among them.
    void go_on(std::vector<UniqueFd>& strays, TimePoint now);

    /// For the keeper: forgets the listeners that masters have closed, and returns their numbers.
    std::vector<int> forget_closed() { return door_.forget_closed(); }

    /// Forks the first workers, unless that has been done.
    void start_workers(TimePoint now) noexcept;

    /// Arms what wakes the master. Returns until when it may wait; TimePoint::min(): not at all.
    TimePoint prepare_to_wait(TimePoint now) noexcept;

    /// Moves deadlines by `gap`, during which the master itself wasn't running (a stopped process group, a
    /// suspended machine).
    void forgive(std::chrono::nanoseconds gap, TimePoint now) noexcept;

    /// Notes which workers have become ready, have finished, or have given a connection back.
    void note_progress(TimePoint now) noexcept;

    /// Notes a report of waitpid(2). A dead process is buried: connections in its channel are taken back,
    /// those in its hands go on elsewhere or are lost (see the class), and its slots are refilled. Returns
    /// false if the pid is none of this pool's.
    bool note_child(pid_t pid, int status, TimePoint now) noexcept;

    /// Ends workers that are busy with one request for longer than request_timeout, or stopped for longer
    /// than stopped_timeout.
    void end_overdue_workers(TimePoint now) noexcept;

    /// Takes back connections that a worker was given and has not received for stuck_after.
    void relieve_stuck_workers(TimePoint now) noexcept;

    /// Sees to the parked connections whose client has sent something, has left, or is past its deadline.
    void attend_lobby(TimePoint now) noexcept;

    /// Gives waiting clients to free workers, the lowest slot first. Accepts at most as many clients as there
    /// are free workers.
    void hand_out_clients(TimePoint now) noexcept;

    /// Grows or shrinks as plan_resize says.
    void resize(TimePoint now) noexcept;

    /// Publishes limits, gauges and, once a second, the kernel's queue lengths.
    void publish(TimePoint now) noexcept;

    // The orderly stop.

    /// From here on no new client gets in. The backlog, and connections that have begun, are served until the
    /// deadline.
    void begin_stop(TimePoint now, TimePoint deadline) noexcept;

    /// One step of the stop: closes the listeners once the backlog is empty, retires idle workers, and kills
    /// those that are still busy at the deadline.
    void continue_stop(TimePoint now) noexcept;

    /// Whether it has not been told to stop.
    [[nodiscard]] bool is_serving() const noexcept { return shutdown_.is_serving(); }

    /// The number of connections lost since the pool was made.
    [[nodiscard]] std::uint64_t lost() noexcept;

    /// Whether every connection has ended and every worker is buried.
    [[nodiscard]] bool is_stopped() const noexcept;

    // The reload.

    /// Of a removed pool: nothing is left of it, and no master need look at it any more.
    void note_finished() noexcept { stop_[0].has_finished = true; }
    [[nodiscard]] bool has_finished() const noexcept { return stop_[0].has_finished; }

    /// Whether workers from before the last change() are still to be replaced.
    [[nodiscard]] bool is_renewing() const noexcept { return renewer_.is_under_way(); }
    /// Whether the last renewal was given up, because no new worker became ready.
    [[nodiscard]] bool has_failed_to_renew() const noexcept { return renewer_.has_failed(); }

    /// Before this master makes room for another: leaves it what is remembered of the sources of clients.
    void leave_sources() noexcept;

    /// Publishes whether the last reload was successful, and when a configuration was last put into effect.
    void publish_reload(bool successful, std::uint64_t in_effect_since_s) noexcept;

    // Orders.

    /// Whether a worker is ready, or none need be before a client comes.
    [[nodiscard]] bool is_ready() const noexcept {
        return shape_.forks_for_each || !roster_.ready().empty() || !may_start_workers();
    }

    [[nodiscard]] PoolStatus status();

    /// Adds this pool to a connection list.
    void list_connections(std::string& text, TimePoint now);

    /// See SizeOrders.
    ControlAnswer change_size(int processes, std::uint64_t number);

private:
    /// What a successor must know of an orderly stop.
    struct StopNote {
        bool begun = false;
        bool closes = false;  ///< The listeners are closed, or about to be.
        TimePoint deadline{};
        bool has_started = false;   ///< The first workers.
        bool gives_way = false;     ///< It is that of an old server in an upgrade.
        bool has_finished = false;  ///< It is a removed pool of which nothing is left.
    };

    [[nodiscard]] bool may_start_workers() const noexcept {
        return !held_ || options_.design.master_accepts();
    }
    void adopt_accounts(TimePoint now);
    [[nodiscard]] std::optional<std::chrono::milliseconds> busy_for(std::uint32_t slot,
                                                                    TimePoint now) const noexcept;
    void take_over_sources() noexcept;
    std::optional<Place> next_client(TimePoint now) noexcept;
    std::optional<Place> next_from_door(TimePoint now) noexcept;
    [[nodiscard]] bool make_room() noexcept;
    [[nodiscard]] bool give_next(std::uint32_t slot, std::size_t most, TimePoint now) noexcept;
    [[nodiscard]] std::size_t clients_at_once(std::uint32_t slot, std::uint64_t ahead) const noexcept;
    [[nodiscard]] std::size_t give(std::uint32_t slot, std::span<const Place> clients,
                                   TimePoint now) noexcept;
    void start_for_datagrams(TimePoint now) noexcept;
    void fill_queue(TimePoint now) noexcept;
    void say_whether_wanted(TimePoint now) noexcept;
    [[nodiscard]] std::uint64_t places_ahead() const noexcept;
    [[nodiscard]] bool may_give(TimePoint now) const noexcept;
    [[nodiscard]] bool is_standing_still(TimePoint now) const noexcept;
    [[nodiscard]] bool has_long_not_watched(TimePoint now) const noexcept;
    [[nodiscard]] bool wait_for_workers() noexcept;
    [[nodiscard]] bool wait_for_clients(TimePoint now) noexcept;
    [[nodiscard]] TimePoint next_handing_out(TimePoint now) const noexcept;
    [[nodiscard]] TimePoint next_resize(TimePoint now) const noexcept;
    [[nodiscard]] int waiting_clients(const PoolCounts& counts) const noexcept;
    void announce(const Resize& plan, const PoolCounts& counts) const noexcept;
    void check_books() const noexcept;

    PoolOptions options_;
    PoolShape shape_;
    std::vector<std::string> listener_texts_;  ///< For each listener, the text in Options::listen; empty: it
                                               ///< is closed, or will be.
    Admission admission_;
    DatagramAdmission datagram_admission_;
    Scoreboard scoreboard_;
    WakeUp wake_up_;
    Connections connections_;
    Door door_;
    Lobby lobby_;
    Roster roster_;
    Workforce workforce_;
    Recalls recalls_;
    Handoffs handoffs_;
    Sizer sizer_;
    Renewer renewer_;
    SizeOrders size_;
    Shutdown shutdown_;
    SharedArray<StopNote> stop_{1};
    SharedArray<SourceLimits::Record> sources_left_{options_.admission.sources.sources_max};
    SharedArray<SharedCounter> sources_left_count_{1};
    Gauges gauges_;
    TimePoint wanted_at_{};  ///< When a client last waited because no worker was idle.
    bool wanted_ = false;    ///< That was less than standing_still ago.
    TimePoint watched_door_at_{};
    bool held_ = false;
};

}  // namespace bullpen
