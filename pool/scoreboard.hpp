/// The scoreboard: a pool's numbers in shared memory, which anybody may read and nobody can lock.
///
/// A memfd of whole pages: one page for the header, some for the slots' table, one for each slot's row. Every
/// field is a lock-free atomic with exactly one writer: the master writes the header and the table, a worker
/// its own row. The master writes a row only while nobody occupies it (after waitpid, before fork). A process
/// that is killed at any instruction therefore leaves nothing stuck. Counters are cumulative over the slot's
/// life.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/activity.hpp"
#include "core/request_note.hpp"
#include "core/time_limits.hpp"
#include "core/unique_fd.hpp"
#include "pool/histogram.hpp"
#include "pool/refusal.hpp"

namespace bullpen {

using SharedCounter = std::atomic<std::uint64_t>;
using SharedWord = std::atomic<std::uint32_t>;
static_assert(SharedCounter::is_always_lock_free && SharedWord::is_always_lock_free,
              "a hidden lock would not survive its owner");

constexpr std::size_t scoreboard_page = 4096;
constexpr std::size_t listeners_max = 64;  ///< Of one pool.

/// For the one writer of a counter: no other process adds, so no locked instruction is needed. Whoever sees
/// the new value sees all that was stored before it, for example that a Scoreboard::Change is going on.
inline void add(SharedCounter& counter, std::uint64_t amount = 1) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_release);
}

/// Why a worker's process ended (bullpen_worker_exits_total's label).
enum class ExitReason : std::uint8_t {
    retired,          ///< In order: told to, or the server stops.
    start,            ///< Before it was ready.
    exited,           ///< It left by itself: the handler called exit().
    signalled,        ///< Killed by a signal: a crash, kill -9, the OOM killer.
    descriptors,      ///< It could not receive a connection for want of descriptors.
    replaced,         ///< By the master: it wrote something impossible, or its channel broke.
    drain_limit,      ///< By the master: still busy at the end of the drain time-out.
    request_timeout,  ///< By the master: busy with one request for longer than the request limit.
    stopped,          ///< By the master: stopped (SIGSTOP, a debugger) for longer than the stopped limit.
};
constexpr std::size_t exit_reasons = 9;
const char* name_of(ExitReason reason) noexcept;

struct ListenQueueWords {
    SharedWord length;
    SharedWord limit;
};

/// Written by the master alone.
struct ScoreboardHeader {
    alignas(64) SharedWord wake_on_room;  ///< 1: the master wants to be woken when a worker has finished.
    SharedWord
        wake_on_return;  ///< 1: the master blocks, and wants to be woken when a connection is given back.
    alignas(64) SharedWord spare;  ///< Idle workers, never more than there are (workers look at it for 0).
    SharedWord wanted;             ///< 1 while a client waits because no worker is idle.
    SharedWord draining;           ///< 1 from the order to stop on.

    alignas(64) SharedWord slots;  ///< Rows that follow: workers_max.
    SharedWord spare_min;
    SharedWord spare_max;
    SharedWord listeners;        ///< How many of `listen_queues` are in use.
    SharedWord hands_off;        ///< 1: the master accepts (its `accepted` counts); 0: the workers do.
    SharedWord depth;            ///< Most connections that a worker has at once, the queued ones included.
    SharedCounter started_ns;    ///< CLOCK_MONOTONIC when the pool was made.
    SharedCounter heartbeat_ns;  ///< CLOCK_MONOTONIC of the master's last turn.

    // The master's accounts: every connection that it accepted is in exactly one of these words, or given to
    // a slot (SlotEntry::handed). They change together, see Scoreboard::Change.
    alignas(64) SharedWord version;  ///< Odd while they change.
    SharedCounter accepted;          ///< By the master.
    SharedCounter queued;            ///< Gauge: connections in the master's hands that wait for a worker.
    SharedCounter parked;            ///< Gauge: connections in the master's hands that wait for their client.
    SharedCounter completed;       ///< Served before, and ended by the client or at a stop between requests.
    SharedCounter client_aborted;  ///< The client left before it was served, or broke off.
    std::array<SharedCounter, limits_count> timed_out;
    std::array<SharedCounter, refusals> refused;
    std::array<SharedCounter, exit_reasons> lost;  ///< Connections, by what became of their worker.

    SharedCounter parkings;   ///< Connections that were parked, each time counted.
    SharedCounter handoffs;   ///< Connections given to a worker, each time counted.
    SharedCounter recovered;  ///< Connections taken back from a worker that could not receive them.
    SharedCounter spawns;
    SharedCounter saturated_ns;  ///< Time with no spare worker and no room to grow.
    SharedCounter log_lines_dropped;
    std::array<SharedCounter, exit_reasons> exits;
    std::array<ListenQueueWords, listeners_max> listen_queues;  ///< Sampled once a second.
};
static_assert(sizeof(ScoreboardHeader) <= scoreboard_page);

/// What the master thinks of a slot.
enum class Stage : std::uint32_t { vacant, starting, ready, draining };

/// A slot's entry in the table, written by the master alone.
struct SlotEntry {
    SharedWord stage;       ///< Stage.
    SharedWord generation;  ///< Of the worker that occupies it; raised at each spawn.
    // Over the slot's life; of the master's accounts, as the header's.
    SharedCounter handed;    ///< Connections given to it and not taken back.
    SharedCounter returned;  ///< Of those, given back by a worker and received by the master.
    SharedCounter lost;      ///< Of those (or of those a worker accepted itself), ended by a worker's death.
};
static_assert(sizeof(SlotEntry) == 32);

/// A worker's own page. finished = completed + failed + client_aborted + refused + timed_out, and is raised
/// last, after the connection's close: by it the master knows that the slot is free. In the same way
/// `returned` is raised after the connection has been given back.
struct alignas(scoreboard_page) ScoreboardRow {
    SharedWord activity;              ///< Activity.
    SharedWord ready_generation;      ///< The worker of this generation is ready to serve.
    SharedWord answers;               ///< MessageKind::answer messages it has received.
    SharedCounter awaiting_since_ns;  ///< CLOCK_MONOTONIC since when it waits for its client's next request,
                                      ///< and a message on its channel ends that; 0: it doesn't.
    SharedCounter accepted;           ///< Connections it accepted itself (models without a handoff).
    SharedCounter begun;              ///< Each time a handler began with a connection.
    SharedCounter finished;
    SharedCounter returned;        ///< Given back to the master, to be parked.
    SharedCounter completed;       ///< The handler returned.
    SharedCounter failed;          ///< The handler threw.
    SharedCounter client_aborted;  ///< The client left in the middle.
    SharedCounter refused;         ///< Closed unserved because the server stops.
    std::array<SharedCounter, limits_count> timed_out;
    SharedCounter busy_ns;  ///< Time with at least one connection in its handler, up to the last idleness.
    SharedCounter begun_at_ns;  ///< CLOCK_MONOTONIC since when that is so now; 0 when idle.
    RequestNote note;           ///< What is being worked on, where the handler says so.
    Histogram queue_wait;       ///< From accept (or from where a parked client spoke) to the handler's begin.
    Histogram service;          ///< From the handler's begin to its end.
};
static_assert(sizeof(ScoreboardRow) == scoreboard_page,
              "a row is one page: its owner can write nothing else");

/// The connections that ended in a way the row itself knows of.
inline std::uint64_t outcomes(const ScoreboardRow& row) noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    std::uint64_t sum = row.completed.load(relaxed) + row.failed.load(relaxed) +
                        row.client_aborted.load(relaxed) + row.refused.load(relaxed);
    for (const SharedCounter& limit : row.timed_out)
        sum += limit.load(relaxed);
    return sum;
}

/// The master's scoreboard: everything writable. Made before the first fork.
class Scoreboard {
public:
    /// Allocates all pages now (a full memory file system is a start-up error, not a later SIGBUS) and seals
    /// the memfd: nobody can resize it, or map it writable once more. Throws std::system_error.
    explicit Scoreboard(std::uint32_t slots);
    ~Scoreboard();
    Scoreboard(Scoreboard&&) noexcept;
    Scoreboard& operator=(Scoreboard&&) = delete;

    [[nodiscard]] std::uint32_t slots() const noexcept { return slots_; }
    [[nodiscard]] ScoreboardHeader& header() noexcept;
    [[nodiscard]] SlotEntry& entry(std::uint32_t slot) noexcept;
    [[nodiscard]] ScoreboardRow& row(std::uint32_t slot) noexcept;
    [[nodiscard]] const ScoreboardRow& row(std::uint32_t slot) const noexcept;

    /// The memfd, borrowed, for a ScoreboardReader.
    [[nodiscard]] int fd() const noexcept { return memory_.get(); }

    /// While one lives, the master's accounts change: readers of them wait for its end, so that none sees a
    /// connection twice or not at all (a sequence lock with one writer: Boehm, "Can seqlocks get along with
    /// programming language memory models?"). A change within a change is part of the outer one.
    class [[nodiscard]] Change {
    public:
        explicit Change(Scoreboard& board) noexcept : board_{board} {
            if (board_.changes_++ == 0) bump();
        }
        ~Change() {
            if (--board_.changes_ == 0) bump();
        }
        Change(const Change&) = delete;
        Change& operator=(const Change&) = delete;

    private:
        void bump() noexcept {
            SharedWord& version = board_.header().version;
            version.store(version.load(std::memory_order_relaxed) + 1, std::memory_order_release);
        }
        Scoreboard& board_;
    };

    /// In a new worker process: gives up all of the inherited mapping but its own slots' rows, and maps the
    /// header anew, read-only (the seal keeps it so). From then on header() must not be written and entry()
    /// not be used.
    void keep_only(std::uint32_t first_slot, std::uint32_t count = 1);

private:
    struct Mapping;
    UniqueFd memory_;
    std::uint32_t slots_;
    std::uint32_t first_kept_ = 0;
    int changes_ = 0;  ///< Living Change objects.
    std::unique_ptr<Mapping> mapping_;
};

/// A read-only view for whoever exports or shows the numbers. What it reads may have been written by a broken
/// worker: take nothing for granted.
class ScoreboardReader {
public:
    /// Maps the memfd (borrowed). Throws std::system_error.
    ScoreboardReader(int memory, std::uint32_t slots);
    ~ScoreboardReader();
    ScoreboardReader(ScoreboardReader&&) noexcept;
    ScoreboardReader& operator=(ScoreboardReader&&) = delete;

    [[nodiscard]] std::uint32_t slots() const noexcept { return slots_; }
    [[nodiscard]] const ScoreboardHeader& header() const noexcept;
    [[nodiscard]] const SlotEntry& entry(std::uint32_t slot) const noexcept;
    [[nodiscard]] const ScoreboardRow& row(std::uint32_t slot) const noexcept;

private:
    struct Mapping;
    std::uint32_t slots_;
    std::unique_ptr<Mapping> mapping_;
};

}  // namespace bullpen
