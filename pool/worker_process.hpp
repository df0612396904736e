/// A worker's process as it sees itself: what a model's work() uses.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <bullpen/async_handler.hpp>
#include <bullpen/connection.hpp>
#include <bullpen/handler.hpp>
#include <bullpen/pool_limits.hpp>
#include <bullpen/time_limits.hpp>
#include "core/channel.hpp"
#include "core/listener.hpp"
#include "core/series_store.hpp"
#include "pool/accept_lock.hpp"
#include "pool/acceptor.hpp"
#include "pool/datagram_admission.hpp"
#include "pool/pool_options.hpp"
#include "pool/scoreboard.hpp"
#include "pool/worker.hpp"

namespace bullpen {

/// Exit statuses of a worker, which the master reads at its burial.
constexpr int worker_exit_retired = 0;
constexpr int worker_exit_crashed = 1;
constexpr int worker_exit_descriptors = 76;
constexpr int worker_exit_unprepared = 77;  ///< Why is in the first slot's RequestNote.

/// What a worker's process gets at its birth. All descriptors are borrowed from the slots or the pool.
struct WorkerSeat {
    std::string_view pool = {};  ///< Its name, for the log.
    std::uint32_t first_slot = 0;
    std::uint32_t slots = 1;  ///< The process has the slots first_slot … first_slot + slots - 1.
    std::uint32_t generation = 0;
    pid_t keeper = 0;                ///< Its parent, see pool/keeper.hpp.
    std::vector<int> channels = {};  ///< The workers' ends, one for each slot; empty if the model has none.
    int wake = -1;                   ///< The eventfd that wakes the master.
    std::span<const Listener> listeners = {};
    Delivery delivery = Delivery::handoff;
    bool owns_listeners = false;                   ///< No other process has these listeners.
    AcceptLock* accept_lock = nullptr;             ///< Null if the workers don't take turns.
    const DatagramAdmission* admission = nullptr;  ///< Of datagrams.
    PoolLimits limits = {};  ///< For its threads, if the process sizes their pool itself.
    std::chrono::milliseconds resize_interval{100};
    std::chrono::milliseconds shrink_window{10'000};
    int capacity = 1;                         ///< Connections that a worker serves at once.
    bool batch = false;                       ///< Run under SCHED_BATCH, see Options::scheduling.
    bool parks = false;                       ///< Connections may be given back,
    bool parks_files = false;                 ///< also with a file.
    std::chrono::milliseconds slice{250};     ///< The time-out of the listeners' sockets, see ListenOptions.
    std::chrono::milliseconds await_next{4};  ///< See ServerView.
    TimeLimits time_limits = {};
    std::chrono::seconds drain_timeout{30};
    std::chrono::milliseconds stop_patience{1'000};  ///< See PoolOptions.
};

/// Each worker's process has one, made by its main thread. At SIGTERM the process finishes its connections,
/// serves those in its channel (if the server stops, those in the backlog), and exits. The same happens when
/// the keeper dies (PR_SET_PDEATHSIG, or end of file on the channel); then the process also makes room for a
/// new server: its listeners drop new SYNs, and it exits after drain_timeout at the latest. Children that a
/// handler forks get none of this, see pool/forked_child.hpp.
class WorkerProcess {
public:
    /// Installs the signal handlers and makes a Worker for each slot. The arguments must outlive it.
    WorkerProcess(const WorkerSeat& seat, Scoreboard& scoreboard, const PoolOptions& options);
    WorkerProcess(const WorkerProcess&) = delete;
    WorkerProcess& operator=(const WorkerProcess&) = delete;

    [[nodiscard]] const WorkerSeat& seat() const noexcept { return seat_; }
    [[nodiscard]] const PoolOptions& options() const noexcept { return options_; }
    [[nodiscard]] const AsyncHandler& async_handler() const noexcept { return async_handler_; }

    /// Runs what the user wants to be run first, and makes the handlers. Returns false if that throws: then
    /// the process is to end as worker_exit_unprepared.
    [[nodiscard]] bool prepare() noexcept;

    /// Runs what the user wants to be run last.
    void finish() noexcept;

    [[nodiscard]] IdleWait& idle_wait() noexcept { return idle_wait_; }

    [[nodiscard]] std::uint32_t workers() const noexcept { return seat_.slots; }
    [[nodiscard]] Worker& worker(std::uint32_t index = 0) noexcept { return workers_[index]; }

    /// Tells the master that all of this process's workers can serve.
    void ready() noexcept;

    /// Whether the process was told to leave; if the whole server stops, only once the backlog is empty.
    [[nodiscard]] Leave leave() const noexcept;

    /// Accepts in the main thread, for workers that take clients from it. Returns nothing if it is time to
    /// leave.
    std::optional<Client> accept();

    /// Waits for this worker's turn at accept and returns it, as a lock guard; false if it is time to leave.
    [[nodiscard]] AcceptLock::Turn take_turn();

    /// The client for which this process was forked, once.
    std::optional<Client> forked_for() noexcept { return std::exchange(forked_for_, std::nullopt); }
    void set_forked_for(const Message& message, UniqueFd socket) noexcept;

    /// In the main thread: waits until `fd` is readable or SIGTERM comes. After SIGTERM, waits 50 ms at most.
    static void wait_for(int fd) noexcept;

    /// An eventfd, borrowed, that is readable once SIGTERM has come: for a worker that waits by epoll.
    [[nodiscard]] static int leave_signal();

    // For Worker.

    [[nodiscard]] const ScoreboardHeader& header() const noexcept { return header_; }
    /// What a handler of this worker may know about the server, and where it notes its request.
    [[nodiscard]] ServerView view(const Worker& worker) const noexcept;
    void wake_master() const noexcept;

    /// Whether the keeper has died. Then this process ends its connections and tells nobody.
    [[nodiscard]] static bool is_orphan() noexcept;

    /// Waits until a message lies in the channel or an order to leave comes.
    void wait_for_message(int channel) const noexcept;

    /// Tells the sizer, if it waits for a change, that a worker has begun or ended with a client.
    void note_change() noexcept {
        if (change_awaited_.load(std::memory_order_seq_cst) && change_awaited_.exchange(false)) on_change_();
    }

    /// From here on the calling thread is this worker's: what it counts in metrics is, too.
    void count_for(std::uint32_t worker) noexcept { series_[worker].own_by_this_thread(); }

    /// From here on it is no worker's.
    static void count_for_none() noexcept { metrics::own_series = {}; }

    // For Crew, whose sizer starts and retires workers.

    /// Sets what the thread that makes the first change after await_change() calls.
    void on_change(std::function<void()> action) { on_change_ = std::move(action); }

    /// Asks for on_change() at the next change. The caller must look at the workers after this call.
    void await_change() noexcept { change_awaited_.store(true, std::memory_order_seq_cst); }

    /// Makes a Client from a message of the master.
    [[nodiscard]] Client unpack(const Message& message, UniqueFd socket, UniqueFd file,
                                HandoffProgress handoff) const noexcept;

private:
    void keep_all_from_children(std::size_t row_stride);
    void become_user();
    [[nodiscard]] WorkerContext context(std::uint32_t worker = 0) const;

    WorkerSeat seat_;
    ScoreboardHeader& header_;
    const PoolOptions& options_;
    AsyncHandler async_handler_;
    IdleWait idle_wait_;
    Acceptor acceptor_;
    std::deque<Worker> workers_;
    std::deque<metrics::SeriesStore> series_;  ///< A worker's each.
    std::optional<Client> forked_for_;
    std::atomic<bool> change_awaited_{false};
    std::function<void()> on_change_;
};

/// The work of a worker that accepts by itself and serves one client after the other.
void accept_and_serve(WorkerProcess& process);

}  // namespace bullpen
