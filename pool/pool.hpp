/// A pool: listeners + service + model + limits, and the workers that serve it.
#pragma once

#include <sys/types.h>

#include <atomic>
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
#include "pool/status.hpp"
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
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    [[nodiscard]] const PoolOptions& options() const noexcept { return options_; }
    [[nodiscard]] const std::vector<Listener>& listeners() const noexcept { return door_.listeners(); }

    /// The scoreboard's memfd, borrowed, for a ScoreboardReader with slots() rows.
    [[nodiscard]] int scoreboard_fd() const noexcept { return scoreboard_.fd(); }
    [[nodiscard]] std::uint32_t slots() const noexcept { return scoreboard_.slots(); }

    [[nodiscard]] DescriptorNeeds descriptor_needs() const;

    /// Sets how many connections the pool may have at once; called before start().
    void limit_connections(std::size_t most) { connections_.limit(most); }

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

    /// For the keeper, when the server has stopped: forgets what the master has closed.
    void forget_closed() noexcept;

    /// Forks the first workers.
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

    /// The number of connections lost since the pool was made.
    [[nodiscard]] std::uint64_t lost() noexcept;

    /// Whether every connection has ended and every worker is buried.
    [[nodiscard]] bool is_stopped() const noexcept;

    // Orders.

    /// Whether a worker is ready, or none need be before a client comes.
    [[nodiscard]] bool is_ready() const noexcept {
        return shape_.pick == Pick::vacant || !roster_.ready().empty();
    }

    [[nodiscard]] PoolStatus status();

    /// Changes the limits by so many processes' workers: workers_max of a pool of fixed size, else spare_min
    /// and spare_max. The answer says what they are now, or why they can't be changed. `number` is how many
    /// such orders came before: one that a dead master had carried out isn't carried out again.
    ControlAnswer change_size(int processes, std::uint64_t number);

private:
    /// What a successor must know of an orderly stop.
    struct StopNote {
        bool begun = false;
        bool closes = false;  ///< The listeners are closed, or about to be.
        TimePoint deadline{};
    };

    /// What a successor must know of the orders that changed the pool's size: one word, so that an order is
    /// carried out or not.
    struct SizeNote {
        std::atomic<std::uint64_t> word;  ///< The number of orders, and above that the workers more or less.
    };

    void adopt_accounts(TimePoint now);
    std::optional<Place> next_client(TimePoint now) noexcept;
    std::optional<Place> next_from_door(TimePoint now) noexcept;
    [[nodiscard]] bool make_room() noexcept;
    [[nodiscard]] bool give_next(std::uint32_t slot, std::size_t most, TimePoint now) noexcept;
    [[nodiscard]] std::size_t clients_at_once(std::uint32_t slot, std::uint64_t ahead) const noexcept;
    [[nodiscard]] std::size_t give(std::uint32_t slot, std::span<const Place> clients,
                                   TimePoint now) noexcept;
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
    std::vector<std::string> listener_texts_;  ///< For each listener, the text in Options::listen.
    std::vector<Listener> opened_;             ///< The listeners, until the door has them.
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
    SharedArray<StopNote> stop_{1};
    SharedArray<SizeNote> size_{1};
    Gauges gauges_;
    TimePoint wanted_at_{};  ///< When a client last waited because no worker was idle.
    bool wanted_ = false;    ///< That was less than standing_still ago.
    TimePoint watched_door_at_{};
};

}  // namespace bullpen
