/// A worker's process, from the inside: what a model's work() does its job with.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "core/async_handler.hpp"
#include "core/channel.hpp"
#include "core/connection.hpp"
#include "core/handler.hpp"
#include "core/listener.hpp"
#include "core/time_limits.hpp"
#include "pool/accept_lock.hpp"
#include "pool/acceptor.hpp"
#include "pool/model.hpp"
#include "pool/scoreboard.hpp"
#include "pool/sizing.hpp"
#include "pool/worker.hpp"

namespace bullpen {

/// Exit statuses of a worker, which the master reads at its burial.
constexpr int worker_exit_retired = 0;
constexpr int worker_exit_crashed = 1;
constexpr int worker_exit_descriptors = 76;

/// What a worker's process is born with. All descriptors are borrowed from the slots or the pool.
struct WorkerSeat {
    std::uint32_t first_slot = 0;
    std::uint32_t slots = 1;  ///< So many from first_slot on are this process's.
    std::uint32_t generation = 0;
    pid_t master = 0;
    std::vector<int> channels = {};  ///< The worker's ends, one for each slot; none where the model has none.
    int wake = -1;                   ///< The eventfd on which the master waits.
    std::span<const Listener> listeners = {};
    Delivery delivery = Delivery::handoff;
    bool owns_listeners = false;        ///< Nobody else has them.
    AcceptLock* accept_lock = nullptr;  ///< Where the workers take turns.
    PoolLimits limits = {};             ///< Of its threads, where the process sizes their pool itself.
    std::chrono::milliseconds resize_interval{100};
    std::chrono::milliseconds shrink_window{10'000};
    int capacity = 1;                         ///< Connections that a worker serves at once.
    bool batch = false;                       ///< Run under SCHED_BATCH, see Options::scheduling.
    bool parks = false;                       ///< Connections may be given back.
    std::chrono::milliseconds slice{250};     ///< Of the listeners' sockets, see ListenOptions.
    std::chrono::milliseconds await_next{4};  ///< See ServerView.
    TimeLimits time_limits = {};
    std::chrono::seconds drain_timeout{30};
    std::chrono::milliseconds stop_patience{1'000};  ///< See PoolOptions.
};

/// One in each worker's process, made by its main thread. SIGTERM means: finish, serve what the channel (or,
/// when the server stops, the backlog) holds, exit. The same happens when the master dies (PR_SET_PDEATHSIG,
/// or end of file on the channel); then the process also makes room for a new server: its listeners drop new
/// SYNs, and it gives up after the drain time-out. What a handler forks gets nothing of all this, see
/// pool/forked_child.hpp.
class WorkerProcess {
public:
    /// Installs the signal handlers and makes a Worker for each slot. What it is given must outlive it.
    WorkerProcess(const WorkerSeat& seat, Scoreboard& scoreboard, const Handler& handler,
                  const AsyncHandler& async_handler);
    WorkerProcess(const WorkerProcess&) = delete;
    WorkerProcess& operator=(const WorkerProcess&) = delete;

    [[nodiscard]] const WorkerSeat& seat() const noexcept { return seat_; }
    [[nodiscard]] const AsyncHandler& async_handler() const noexcept { return async_handler_; }

    [[nodiscard]] IdleWait& idle_wait() noexcept { return idle_wait_; }

    [[nodiscard]] std::uint32_t workers() const noexcept { return seat_.slots; }
    [[nodiscard]] Worker& worker(std::uint32_t index = 0) noexcept { return workers_[index]; }

    /// Tells the master that all of this process's workers can serve.
    void ready() noexcept;

    /// Whether the process was told to leave: only once the backlog is empty if the whole server stops.
    [[nodiscard]] Leave leave() const noexcept;

    /// Accepts in the main thread, for workers that take clients from it. Nothing: time to leave.
    std::optional<Client> accept();

    /// This worker's turn at accept, as a lock guard; false if it is time to leave.
    [[nodiscard]] AcceptLock::Turn take_turn();

    /// The client this process was forked for.
    std::optional<Client> forked_for() noexcept { return std::exchange(forked_for_, std::nullopt); }
    void set_forked_for(Envelope envelope) noexcept;

    /// In the main thread: waits until `fd` is readable or SIGTERM comes; once it has come, 50 ms at most.
    static void wait_for(int fd) noexcept;

    /// An eventfd, borrowed, that is readable once SIGTERM has come: for a worker that waits on many things.
    [[nodiscard]] static int leave_signal();

    // For Worker.

    [[nodiscard]] const ScoreboardHeader& header() const noexcept { return header_; }
    [[nodiscard]] const Handler& handler() const noexcept { return handler_; }
    /// What a handler of this worker may know of the server, and where it says what it does.
    [[nodiscard]] ServerView view(const Worker& worker) const noexcept;
    void wake_master() const noexcept;

    /// Waits until a message lies in the channel or an order to leave comes.
    void wait_for_message(int channel) const noexcept;

    /// A worker has begun with a client, or has ended with one.
    void note_change() noexcept {
        if (change_awaited_.load(std::memory_order_seq_cst) && change_awaited_.exchange(false)) on_change_();
    }

    // For Crew, who sizes the workers.

    /// What is called at the first change after await_change(), by the thread that makes it.
    void on_change(std::function<void()> action) { on_change_ = std::move(action); }

    /// From here on the next change is told; what changed before is seen by who looks afterwards.
    void await_change() noexcept { change_awaited_.store(true, std::memory_order_seq_cst); }

    /// Makes of a message from the master the client it carries.
    [[nodiscard]] Client unpack(Envelope envelope) const noexcept;

private:
    void keep_all_from_children();

    WorkerSeat seat_;
    ScoreboardHeader& header_;
    const Handler& handler_;
    const AsyncHandler& async_handler_;
    IdleWait idle_wait_;
    Acceptor acceptor_;
    std::deque<Worker> workers_;
    std::optional<Client> forked_for_;
    std::atomic<bool> change_awaited_{false};
    std::function<void()> on_change_;
};

/// The work of a worker that accepts by itself and serves one client after the other.
void accept_and_serve(WorkerProcess& process);

}  // namespace bullpen
