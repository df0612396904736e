/// A pool: listeners + service + model + limits, and the workers that serve it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/async_handler.hpp"
#include "core/channel.hpp"
#include "core/clock.hpp"
#include "core/handler.hpp"
#include "core/listener.hpp"
#include "core/program.hpp"
#include "core/time_limits.hpp"
#include "pool/accept_lock.hpp"
#include "pool/admission.hpp"
#include "pool/backlog.hpp"
#include "pool/events.hpp"
#include "pool/handoff_when.hpp"
#include "pool/held_client.hpp"
#include "pool/model.hpp"
#include "pool/parking_lot.hpp"
#include "pool/refusal.hpp"
#include "pool/scoreboard.hpp"
#include "pool/sizing.hpp"
#include "pool/slot.hpp"
#include "pool/slot_set.hpp"

namespace bullpen {

struct PoolOptions {
    std::string name = "default";
    std::vector<std::string> listen = {"127.0.0.1:8080"};
    ListenOptions listen_options;
    Model model;
    Handler handler = [](Connection&) {};  ///< What models of Form::blocking serve,
    AsyncHandler async_handler = {};       ///< those of Form::asynchronous,
    Program program = {};                  ///< and those of Form::program.
    int threads = 1;                       ///< Workers in each process, see Model::takes_threads.
    int capacity = 1000;  ///< Connections that a worker serves at once, where the model multiplexes.
    /// Connections that a worker may have in its channel beyond those it serves, when no worker is idle: it
    /// goes on without a wake-up. Another that falls idle first gets them.
    int queue_ahead = 1;
    HandoffWhen handoff_when = HandoffWhen::accepted;
    /// How long a worker may itself wait for the next request of a client, while nobody waits for a worker,
    /// before it gives the connection back. 0: as long as any call blocks (ListenOptions::slice).
    std::chrono::milliseconds linger{0};
    TimeLimits time_limits;
    std::chrono::milliseconds request_limit{
        0};  ///< For one request; 0: none. Then the worker is told to stop
    std::chrono::milliseconds request_grace{5'000};  ///< and, after this, killed.
    std::string refusal = {};  ///< What a client is told that is refused, in the service's words.
    int queue_max = 0;         ///< Clients that wait for a worker in the master; 0: in the kernel's backlog.
    std::chrono::milliseconds queue_wait{1'000};  ///< The longest of that wait; then the client is refused.
    std::size_t connections_max = 0;              ///< Open at once; 0: as many as RLIMIT_NOFILE has room for.
    AcceptLockKind accept_lock = AcceptLockKind::mutex;  ///< Where the model takes turns at accept.
    PoolLimits limits;
    AdmissionOptions admission = {};  ///< Where the master accepts.
    /// Workers run under SCHED_BATCH: one that is woken by a handoff does not take the CPU from the master in
    /// the middle of its round. Measured: a third less CPU for each connection, and more of them.
    bool batch_workers = true;
    std::chrono::milliseconds resize_interval{100};   ///< Between two steps of the growing ramp.
    std::chrono::milliseconds shrink_window{10'000};  ///< A worker idle for all of it may be retired.
    std::chrono::milliseconds stuck_after{500};  ///< A worker that hasn't taken what it was handed by then
                                                 ///< is stuck: others get it.
    std::chrono::milliseconds steal_after{1};    ///< What is queued ahead for so long goes to an idle worker.
    std::chrono::milliseconds standing_still{2};  ///< No worker has moved for so long: look who waits.
    std::chrono::milliseconds accept_pause{100};  ///< After accept4 failed for want of descriptors or memory.
    std::chrono::milliseconds stop_patience{1'000};  ///< At a stop, for the request of a client that has said
                                                     ///< nothing yet.
    std::chrono::milliseconds stop_settle{200};      ///< At a stop, how long the backlog must stay empty: a
                                                     ///< handshake begun before may still be completed.
};

struct WorkerSeat;

/// The slots of one process: a worker each, which are born and die together.
struct SlotRange {
    std::uint32_t first = 0;
    std::uint32_t end = 0;
};

/// Lives in the master, which calls its verbs once a turn. Nothing here blocks, throws (after the
/// constructor) or trusts the scoreboard: what the master needs to know it keeps in its own memory.
class Pool {
public:
    /// Opens the listeners and allocates the scoreboard. Throws AddressError or std::system_error.
    Pool(PoolOptions options, std::chrono::seconds drain_timeout);
    ~Pool();
    Pool(Pool&&) noexcept;
    Pool& operator=(Pool&&) = delete;

    [[nodiscard]] const PoolOptions& options() const noexcept { return options_; }
    [[nodiscard]] const std::vector<Listener>& listeners() const noexcept { return backlog_.listeners(); }

    /// The scoreboard's memfd, borrowed, for a ScoreboardReader with slots() rows.
    [[nodiscard]] int scoreboard_fd() const noexcept { return scoreboard_.fd(); }
    [[nodiscard]] std::uint32_t slots() const noexcept { return scoreboard_.slots(); }

    /// Descriptors the master needs for this pool when all slots are in use.
    [[nodiscard]] std::size_t descriptors_needed() const noexcept;

    /// How many descriptors the pool's connections may take in the master, before start().
    void limit_connections(std::size_t descriptors) noexcept;

    /// Connections that one worker process may have at once.
    [[nodiscard]] std::size_t connections_of_a_process() const noexcept;

    // The master's verbs, in the order of a turn.

    /// Forks the first workers. `kept` are the descriptors that workers keep besides their own.
    void start(Events& events, std::vector<int> kept, TimePoint now);

    /// Watches the listeners while a worker is free; when none is, the kernel's backlog holds the clients and
    /// the workers are asked to wake the master instead. False: do not block, a worker has just become free.
    bool prepare_to_wait() noexcept;

    /// When the master must look again even if nothing happens.
    [[nodiscard]] TimePoint next_deadline() const noexcept;

    /// Takes back what lay in a dead worker's channel, computes what was lost, and refills the slot. False:
    /// the pid is not one of this pool's workers.
    bool bury(pid_t pid, int status, TimePoint now);

    /// Sees which workers have become ready, have finished, or have given a connection back.
    void note_progress(TimePoint now) noexcept;

    /// Sees which parked clients have spoken, have left, or have been silent for too long.
    void attend_parked(TimePoint now) noexcept;

    /// Ends workers that are busy with one request for longer than the request limit.
    void end_slow_workers(TimePoint now) noexcept;

    /// Takes back what a worker was handed and has not received for stuck_after (it is stopped, or starved).
    /// That worker gets nothing more until it answers.
    void relieve_stuck_workers(TimePoint now) noexcept;

    /// Gives waiting clients to free workers, the lowest slot first; accepts no more than there are free
    /// workers.
    void hand_out_clients(TimePoint now);

    /// Grows or shrinks as plan_resize says.
    void resize(TimePoint now);

    /// Publishes limits, gauges and, once a second, the kernel's queue lengths.
    void publish(TimePoint now) noexcept;

    // The orderly stop.

    /// From here on no new client gets in; the backlog and what is begun will be served until the deadline.
    void begin_stop(TimePoint now, TimePoint deadline) noexcept;

    /// One step of the stop: closes the listeners once the backlog is empty, retires idle workers, and ends
    /// by force those that are still busy at the deadline.
    void continue_stop(TimePoint now) noexcept;

    /// Every connection has ended and every worker is buried.
    [[nodiscard]] bool stopped() const noexcept;

private:
    enum class Phase { serving, emptying_backlog, retiring };

    void spawn(std::uint32_t slot, std::optional<HeldClient> client, TimePoint now);
    void prepare(std::uint32_t slot);
    std::optional<pid_t> start_process(SlotRange process, std::optional<HeldClient>& client);
    std::optional<pid_t> start_program(std::uint32_t slot, const HeldClient& client);
    void occupy(std::uint32_t slot, pid_t pid, const std::optional<HeldClient>& client) noexcept;
    int become_worker(SlotRange process, pid_t master, std::optional<HeldClient> client);
    [[nodiscard]] WorkerSeat seat_for(SlotRange process, pid_t master) const;
    void settle(std::uint32_t slot, ExitReason reason, TimePoint now) noexcept;
    [[nodiscard]] bool take_last_returned(Slot& slot, TimePoint now) noexcept;
    bool take_back_queued(Slot& slot) noexcept;
    Received take_back_one(Slot& slot) noexcept;
    [[nodiscard]] std::optional<Account> settle_given(Slot& slot, std::uint32_t number) noexcept;
    void end_given(Slot& slot, std::uint64_t count) noexcept;
    void retire(std::uint32_t slot) noexcept;
    void remind(std::uint32_t slot, TimePoint now) noexcept;
    void retire_idle(int workers) noexcept;
    [[nodiscard]] bool is_busy(std::uint32_t slot) const noexcept;
    void replace(std::uint32_t slot, const char* why) noexcept;
    void make_vacant(std::uint32_t slot) noexcept;
    void forget(std::uint32_t slot) noexcept;
    void grow(int workers, TimePoint now);
    void note_finished(std::uint32_t slot, std::uint64_t finished, TimePoint now) noexcept;
    void note_settled(std::uint32_t slot, TimePoint now) noexcept;
    void note_program_end(std::uint32_t slot, int status) noexcept;
    [[nodiscard]] bool anybody_waits() const noexcept;
    [[nodiscard]] ListenQueue queue_of(std::size_t listener) const noexcept;
    void ask_for_wake_up() noexcept;
    void announce(const Resize& plan, const PoolCounts& counts) const noexcept;
    void set_stage(std::uint32_t slot, Stage stage) noexcept;

    std::optional<HeldClient> next_client(TimePoint now) noexcept;
    std::optional<HeldClient> next_accepted(TimePoint now) noexcept;
    void fill_queue(TimePoint now) noexcept;
    bool hand_off(std::uint32_t slot, HeldClient& client, TimePoint now) noexcept;

    void park(HeldClient client, TimePoint now) noexcept;
    bool note_returned(std::uint32_t slot, TimePoint now) noexcept;
    [[nodiscard]] bool take_returned(Slot& slot, TimePoint now) noexcept;
    [[nodiscard]] bool anything_returned() const noexcept;
    [[nodiscard]] bool has_descriptors_for_returned(TimePoint now) noexcept;
    void see_off(std::vector<ParkingLot::Leaving>& all, TimePoint now) noexcept;
    void see_off(ParkingLot::Leaving& leaving, TimePoint now) noexcept;
    [[nodiscard]] bool parked_again(ParkingLot::Leaving& leaving, TimePoint now) noexcept;
    void end_expired(const HeldClient& client) noexcept;
    void refuse(HeldClient client, Refusal why) noexcept;
    void turn_away(const HeldClient& client, Refusal why) noexcept;
    void end(const Account& account, SharedCounter& outcome) noexcept;
    [[nodiscard]] int unserved() const noexcept;
    void refuse_who_waited_too_long(TimePoint now) noexcept;
    [[nodiscard]] bool make_room() noexcept;
    [[nodiscard]] bool evict_idle() noexcept;
    [[nodiscard]] bool has_room_for_connection() const noexcept;
    [[nodiscard]] std::size_t connections_in_workers() const noexcept;
    [[nodiscard]] std::size_t held_descriptors() const noexcept;
    [[nodiscard]] bool is_standing_still(TimePoint now) const noexcept;
    [[nodiscard]] bool parks() const noexcept;
    void end_slow(std::uint32_t slot, std::chrono::nanoseconds elapsed, TimePoint now) noexcept;
    [[nodiscard]] std::chrono::nanoseconds busy_with_one_request(std::uint32_t slot,
                                                                 TimePoint now) const noexcept;
    void log_slow(std::uint32_t slot, std::chrono::nanoseconds elapsed) const noexcept;
    [[nodiscard]] std::optional<std::uint32_t> slot_for_next(TimePoint now) const noexcept;
    [[nodiscard]] std::optional<std::uint32_t> least_loaded() const noexcept;
    void reclassify(std::uint32_t slot) noexcept;
    void steal_queued(TimePoint now) noexcept;
    [[nodiscard]] bool has_room() const noexcept;
    [[nodiscard]] bool pausing(TimePoint now) const noexcept;
    [[nodiscard]] bool is(Delivery delivery) const noexcept { return options_.model.delivery == delivery; }
    [[nodiscard]] bool sizes_itself() const noexcept;
    [[nodiscard]] SlotRange process_of(std::uint32_t slot) const noexcept;
    [[nodiscard]] std::uint64_t capacity() const noexcept;
    [[nodiscard]] std::uint64_t depth() const noexcept;
    [[nodiscard]] std::size_t queue_max() const noexcept;
    [[nodiscard]] PoolCounts count() const noexcept;
    [[nodiscard]] ExitReason reason_for(const Slot& slot, int status) const noexcept;

    PoolOptions options_;
    std::chrono::seconds drain_timeout_;
    std::vector<std::string> listener_texts_;  ///< Of each listener, from which of PoolOptions::listen it is.
    Backlog backlog_;
    Admission admission_;
    Scoreboard scoreboard_;
    std::unique_ptr<AcceptLock> accept_lock_;
    UniqueFd wake_;  ///< eventfd: workers write it when the master waits for them.
    std::optional<Events::Watch> wake_watch_;
    std::vector<int> kept_;

    std::vector<Slot> slots_;
    SlotSet vacant_;
    SlotSet starting_;
    SlotSet ready_;
    SlotSet idle_;   ///< Ready, and can serve one more client at once.
    SlotSet free_;   ///< Ready, with room for a client: to serve it, or in the channel.
    SlotSet busy_;   ///< Ready, and something they were handed is not settled.
    SlotSet ahead_;  ///< Ready, with more in hand than they serve at once.
    SlotSet draining_;
    std::deque<HeldClient> held_;  ///< Connections taken back, or refused by a channel: first in the queue.
    std::deque<HeldClient> waiting_;  ///< Clients that have spoken and wait for a worker, in their order.
    ParkingLot lot_;
    std::vector<int> listener_families_;
    std::optional<Events::Watch> lot_watch_;
    bool wanted_ = false;        ///< Somebody waits because no worker is idle.
    bool waiting_first_ = true;  ///< Of those who wait here and those in the backlog, whose turn it is.
    std::size_t connections_max_ = 0;
    std::size_t descriptors_max_ = 0;
    std::size_t descriptors_at_start_ = 0;
    TimePoint moved_at_{};  ///< When a worker last got something, finished it, or gave it back.
    TimePoint expired_{};   ///< When the parked ones' deadlines were last looked at.
    std::size_t descriptor_limit_ = 0;
    bool short_of_descriptors_ = false;  ///< What workers give back waits in the channels.
    bool crowded_ = false;  ///< At connections_max, somebody waits in the backlog, and nobody is idle.
    TimePoint descriptors_looked_at_{};
    TimePoint warned_descriptors_{};

    SizingHistory history_;
    TimePoint resized_{};
    TimePoint window_began_{};
    TimePoint start_again_{};  ///< No spawn before this: workers die before they are ready.
    int start_deaths_ = 0;     ///< In a row.
    TimePoint saturated_since_{};
    bool saturated_ = false;
    TimePoint sampled_{};
    TimePoint warned_saturated_{};

    Phase phase_ = Phase::serving;
    TimePoint stop_deadline_{};
    TimePoint backlog_empty_since_{};
};

}  // namespace bullpen
