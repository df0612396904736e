/// The workforce: the workers' processes, from their birth to their burial.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <bullpen/clock.hpp>
#include "core/channel.hpp"
#include "core/listener.hpp"
#include "core/process.hpp"
#include "core/shared_array.hpp"
#include "core/table_fd.hpp"
#include "pool/accept_lock.hpp"
#include "pool/connections.hpp"
#include "pool/datagram_admission.hpp"
#include "pool/obituary.hpp"
#include "pool/pool_options.hpp"
#include "pool/pool_shape.hpp"
#include "pool/renewal.hpp"
#include "pool/roster.hpp"
#include "pool/rows.hpp"
#include "pool/scoreboard.hpp"
#include "pool/start_pause.hpp"

namespace bullpen {

struct WorkerSeat;

/// A process of workers that has died.
struct Death {
    SlotRange process;
    pid_t pid = 0;
    int status = 0;  ///< As waitpid(2) gave it.
    ExitReason reason = ExitReason::exited;
    bool was_ready = false;
    std::uint64_t lost = 0;         ///< The number of connections lost.
    std::uint64_t given_again = 0;  ///< The number of connections that go on with another worker.
    std::string why = {};           ///< What the worker itself has said, if it didn't start.
    std::vector<Work> work = {};    ///< What it was busy with.
};

/// Lives in the master and is the only part of a pool that forks and kills. Workers are children of the
/// keeper, and what is known of them is in memory that outlives the master; programs (Form::program) are the
/// master's own children until it dies.
///
/// Birth, and what a successor makes of a master that died after a step: the channel is made (it is closed,
/// or, if not even its numbers were noted, no part claims it), the generation raised (no worker has it), the
/// client noted as given (it waits again); clone(2), in which the kernel notes the pid (the worker lives and
/// is the successor's). Of a program the pid is noted after the call: its client is lost.
/// Burial: the connections are settled one by one (the rest is settled by the successor, which hears of the
/// death again), then the exit is counted and the pid forgotten in one change.
class Workforce {
public:
    /// What every worker gets from the pool; all descriptors are borrowed.
    struct Common {
        const std::vector<Listener>* listeners = nullptr;
        const DatagramAdmission* admission = nullptr;
        int wake = -1;               ///< The eventfd that wakes the master.
        std::vector<int> kept = {};  ///< The user's own descriptors.
        std::chrono::seconds drain_timeout{30};
        /// Starts a process and stores its pid; tests that need none say what that is.
        std::function<std::optional<pid_t>(const std::function<int()>&, pid_t&)> spawn = spawn_sibling;
    };

    /// Throws std::system_error.
    Workforce(const PoolOptions& options, const PoolShape& shape, Scoreboard& scoreboard,
              Connections& connections, Roster& roster, Common common);
    ~Workforce();
    Workforce(const Workforce&) = delete;
    Workforce& operator=(const Workforce&) = delete;

    /// Sets the descriptors that workers keep besides their own.
    void keep(std::vector<int> kept) { common_.kept = std::move(kept); }

    void set_drain_timeout(std::chrono::seconds timeout) noexcept { common_.drain_timeout = timeout; }

    /// From here on children don't get what is the master's alone.
    void keep_from_children() noexcept;

    /// For a master whose predecessor has died: claims the descriptors and puts each slot into the sets it
    /// was in.
    void adopt(OpenDescriptors& open, TimePoint now);

    /// The same, once all accounts are there, for models that start a process for each client: a client whose
    /// process wasn't started waits again; of a program that isn't known, so that it is lost.
    void settle_unborn(TimePoint now) noexcept;

    /// Repeats the orders that may not have been given.
    void repeat_orders(TimePoint now) noexcept;

    // Birth.

    /// Whether a worker may be started now: false during the pause after failed starts (see StartPause).
    [[nodiscard]] bool may_start(TimePoint now) const noexcept;

    /// Starts the process of a vacant slot; if a client is given, only for that client. Returns false if the
    /// system lacks a resource; then the client is still the caller's.
    bool start(std::uint32_t slot, std::optional<Place> client, TimePoint now) noexcept;

    /// Starts at least `workers` workers in the lowest vacant slots, as far as there is room.
    void grow(int workers, TimePoint now) noexcept;

    /// Starts workers for slots whose own listener has no worker, because the kernel still deals clients to
    /// it.
    void refill_listeners(TimePoint now) noexcept;
    [[nodiscard]] bool has_deserted_listener() const noexcept { return deserted_listener().has_value(); }

    // Duty.

    /// Both ends of the slot's channel: the master's, and the worker's, on which the master takes back
    /// connections that were not received. A channel lives as long as its worker.
    struct Channel {
        TableFd master;
        TableFd worker;
    };
    [[nodiscard]] const Channel& channel(std::uint32_t slot) const noexcept { return seats_[slot].channel; }
    [[nodiscard]] std::uint32_t generation(std::uint32_t slot) const noexcept {
        return seats_[slot].generation;
    }
    [[nodiscard]] pid_t pid(std::uint32_t slot) const noexcept { return seats_[slot].pid; }
    /// "web/3 (pid 812)", for the log.
    [[nodiscard]] std::string name_of(std::uint32_t slot) const;

    /// Notes which workers have become ready.
    void note_ready() noexcept;

    /// Notes a process that waitpid(2) reports as stopped or continued. Returns false if the pid is none of
    /// this pool's.
    bool note_stopped(pid_t pid, bool stopped, TimePoint now) noexcept;

    [[nodiscard]] bool is_stopped(std::uint32_t slot) const noexcept {
        return seats_[shape_.process_of(slot).first].stopped_at.has_value();
    }

    /// Moves the workers' deadlines by `gap`, during which the master itself wasn't running.
    void forgive(std::chrono::nanoseconds gap, TimePoint now) noexcept;

    // Leaving.

    /// Tells the slot's process to leave once it has finished its connections.
    void retire(std::uint32_t slot, TimePoint now) noexcept;
    void retire_all(TimePoint now) noexcept;
    /// Retires the highest processes of which all workers are idle, at most `workers` workers in total.
    void retire_idle(int workers, TimePoint now) noexcept;
    /// Repeats the order to idle processes that were told to leave: one that was about to block in accept may
    /// have missed it.
    void remind(TimePoint now) noexcept;

    /// Kills the slot's process because it did something impossible, which `why` names for the log.
    void replace(std::uint32_t slot, const char* why) noexcept;
    /// The same for a process that has done nothing wrong itself: it is told to leave.
    void replace_in_order(std::uint32_t slot, const char* why, TimePoint now) noexcept;

    /// Calls visit(slot) for each worker that has been busy with one request for longer than request_timeout,
    /// then tells it to stop (SIGTERM); kills workers that haven't stopped within request_grace.
    template <typename Visit>
    void end_slow(TimePoint now, Visit visit) noexcept {
        if (options_.request_timeout.count() == 0) return;
        const auto end_if_slow = [&](std::uint32_t slot) {
            const auto elapsed = busy_with_one_request(slot, now);
            if (elapsed < options_.request_timeout) return;
            visit(slot);
            end_slow(slot, elapsed, now);
        };
        roster_.ready().for_each(end_if_slow);
        roster_.draining().for_each(end_if_slow);
        kill_unyielding(now);
    }

    /// Kills processes that have been stopped for longer than stopped_timeout.
    void end_stopped(TimePoint now) noexcept;

    /// Kills all processes that are left at the end of drain_timeout.
    void kill_all() noexcept;

    // The renewal after a reload.

    /// From here on workers are started with what has changed; those that are there are stale.
    void begin_edition() noexcept { ++edition_; }
    /// The processes that weren't told to leave, without RenewalCounts::wanted.
    [[nodiscard]] RenewalCounts count_editions() const noexcept;
    /// Retires stale processes, idle ones first.
    void retire_stale(int processes, TimePoint now) noexcept;

    // Death.

    /// Forgets the dead process and returns its slots and why it ended; nothing if the pid is none of this
    /// pool's.
    std::optional<Death> take_dead(pid_t pid, int status, bool stopping, TimePoint now) noexcept;

    /// Settles a dead worker's slot, after Handoffs::settle(): puts its row right, and ends the connections
    /// that are left as lost. Returns their number.
    std::uint64_t settle(std::uint32_t slot, const Death& death, TimePoint now) noexcept;

    /// Logs the death, makes the slots vacant, and refills them at once if they were in service.
    void bury(const Death& death, bool stopping, TimePoint now) noexcept;

    // The workers' own listeners (Model::own_listeners).

    [[nodiscard]] bool has_clients() const noexcept;
    [[nodiscard]] std::uint64_t dropped_of(std::size_t listener) const noexcept;
    [[nodiscard]] ListenQueue queue_of(std::size_t listener) const noexcept;
    void stop_new_clients() noexcept;

    /// Returns when to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) const noexcept;

private:
    /// What is needed of a slot only at a birth and a death. Plain data that outlives a master.
    struct Seat {
        pid_t pid = 0;  ///< 0: vacant.
        std::uint32_t generation = 0;
        std::uint32_t edition = 0;  ///< When it was born, counted by begin_edition().
        Channel channel;
        std::optional<ExitReason> ended_by_us;
        TimePoint told_at{};                  ///< When it was last told to leave.
        std::optional<TimePoint> stopped_at;  ///< When it was stopped (SIGSTOP); empty: it runs.
        TimePoint born{};
    };

    [[nodiscard]] std::optional<std::uint32_t> deserted_listener() const noexcept;
    void prepare(std::uint32_t slot);
    std::optional<pid_t> start_process(SlotRange process, std::optional<Place> client);
    std::optional<pid_t> start_program(std::uint32_t slot, const ConnectionEntry& client);
    void occupy(std::uint32_t slot, pid_t pid) noexcept;
    void give_to_child(std::uint32_t slot, Place client, TimePoint now) noexcept;
    bool start_with(std::uint32_t slot, std::optional<Place> client, TimePoint now) noexcept;
    void take_from_child(std::uint32_t slot, Place client, TimePoint now) noexcept;
    int become_worker(const WorkerSeat& seat, const Message* message, int socket);
    [[nodiscard]] WorkerSeat seat_for(SlotRange process) const;
    void adopt_listeners(std::uint32_t slot, OpenDescriptors& open);
    void close_listeners(std::uint32_t slot) noexcept;
    void close_channel(std::uint32_t slot) noexcept;
    void order_to_leave(std::uint32_t slot) noexcept;
    void tell(std::uint32_t slot, ExitReason reason, TimePoint now) noexcept;
    void end_slow(std::uint32_t slot, std::chrono::nanoseconds elapsed, TimePoint now) noexcept;
    void kill_unyielding(TimePoint now) noexcept;
    [[nodiscard]] std::chrono::nanoseconds busy_with_one_request(std::uint32_t slot,
                                                                 TimePoint now) const noexcept;
    [[nodiscard]] Work work_of(std::uint32_t slot, TimePoint now) const;
    void log_slow(std::uint32_t slot, std::chrono::nanoseconds elapsed, TimePoint now) const noexcept;
    void kill(std::uint32_t slot, ExitReason reason) noexcept;
    void restore_row(std::uint32_t slot) noexcept;
    [[nodiscard]] ExitReason reason_for(const Death& death, bool stopping) const noexcept;
    [[nodiscard]] bool is(Delivery delivery) const noexcept { return options_.design.delivery == delivery; }

    const PoolOptions& options_;
    const PoolShape& shape_;
    Scoreboard& scoreboard_;
    Connections& connections_;
    Roster& roster_;
    Common common_;
    Rows rows_;
    std::unique_ptr<AcceptLock> accept_lock_;
    SharedArray<Seat> seats_;
    std::vector<std::vector<Listener>> own_listeners_;  ///< By slot, if the model wants them,
    SharedArray<TableFd> own_listener_fds_;             ///< and their numbers, which outlive a master.
    std::unordered_map<pid_t, std::uint32_t> slot_of_;  ///< The first slot of each living process.
    std::uint32_t edition_ = 0;
    int stopped_ = 0;  ///< The number of stopped processes.
    StartPause pause_;
    TimePoint resumed_at_{};  ///< When the master last continued after it had not been running.
};

}  // namespace bullpen
