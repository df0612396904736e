/// The scoreboard: a pool's numbers in shared memory, which any process may read and none can lock.
///
/// A memfd of whole pages: one page for the header, some for the slots' table and, for each slot, one for its
/// row, some behind it for its WorkerPages, and some for the metrics of its handlers (SeriesMemory). Every
/// field is a lock-free atomic with exactly one writer: the master writes the header and the table, a worker
/// its own row and pages. The master writes those only while no worker occupies the slot (after waitpid,
/// before fork). So a process that is killed at any instruction leaves nothing locked. Counters are
/// cumulative over the slot's life.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include <bullpen/time_limits.hpp>
#include <bullpen/unique_fd.hpp>
#include "core/activity.hpp"
#include "core/request_note.hpp"
#include "core/series_memory.hpp"
#include "core/shared_array.hpp"
#include "core/shared_line.hpp"
#include "pool/duration_histogram.hpp"
#include "pool/refusal.hpp"
#include "pool/worker_pages.hpp"

namespace bullpen {

using SharedCounter = std::atomic<std::uint64_t>;
using SharedWord = std::atomic<std::uint32_t>;
static_assert(SharedCounter::is_always_lock_free && SharedWord::is_always_lock_free,
              "a hidden lock would not survive its owner");

constexpr std::size_t scoreboard_page = 4096;
constexpr std::size_t listeners_max = 64;  ///< Of one pool.

/// For the one writer of a counter: no other process adds, so no locked instruction is needed. A reader that
/// sees the new value sees everything stored before it, for example that a Scoreboard::Change is going on.
inline void add(SharedCounter& counter, std::uint64_t amount = 1) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_release);
}

/// Why a worker's process ended (bullpen_worker_exits_total's label).
enum class ExitReason : std::uint8_t {
    retired,          ///< In order: it was told to leave, or the server stops.
    start,            ///< It died before it was ready.
    exited,           ///< It left by itself: the handler called exit().
    signalled,        ///< A signal killed it: a crash, kill -9, the OOM killer.
    descriptors,      ///< It could not receive a connection for lack of descriptors.
    replaced,         ///< The master ended it: it wrote something impossible, or its channel broke.
    drain_limit,      ///< The master ended it: still busy at the end of drain_timeout.
    request_timeout,  ///< The master ended it: busy with one request for longer than request_timeout.
    stopped,          ///< The master ended it: stopped (SIGSTOP, a debugger) for longer than stopped_timeout.
    master,           ///< No worker ended: a connection was lost in the hands of a master that died.
};
constexpr std::size_t exit_reasons = 10;
constexpr std::size_t worker_exit_reasons = exit_reasons - 1;
const char* name_of(ExitReason reason) noexcept;

struct ListenQueueWords {
    SharedWord length;
    SharedWord limit;
    SharedCounter dropped;        ///< Datagrams for which the kernel had no room.
    SharedCounter dropped_known;  ///< The sum of the present sockets' own counts, all in `dropped` already.
};

/// The header. Only the master writes it.
struct ScoreboardHeader {
    alignas(64) SharedWord wake_on_room;  ///< 1: the master wants to be woken when a worker has finished.
    SharedWord wake_on_return;            ///< 1: the master blocks; wake it when a connection is given back.
    alignas(64) SharedWord spare;  ///< A lower bound of the idle workers (workers look whether it is 0).
    SharedWord wanted;             ///< 1 while a client waits because no worker is idle.
    SharedWord draining;           ///< 1 from the order to stop on.

    alignas(64) SharedWord slots;  ///< The number of rows.
    SharedWord workers_max;
    SharedWord spare_min;
    SharedWord spare_max;
    SharedWord listeners;        ///< How many of `listen_queues` are in use.
    SharedWord hands_off;        ///< 1: the master accepts (and counts in `accepted`); 0: the workers do.
    SharedWord depth;            ///< The most connections of a slot at once: served, or in its channel.
    SharedWord pages_depth;      ///< For how many connections a slot has WorkerPages; 0: it has none.
    SharedWord series_kib;       ///< The size of a slot's SeriesMemory, in whole pages.
    SharedCounter started_ns;    ///< CLOCK_MONOTONIC when the pool was made.
    SharedCounter heartbeat_ns;  ///< CLOCK_MONOTONIC of the master's last turn.

    // The master's accounts: every connection that it has accepted is in exactly one of these words, or in a
    // slot's SlotEntry::handed. They change together, see Scoreboard::Change.
    alignas(64) SharedWord version;  ///< Odd while they change.
    SharedCounter accepted;          ///< Connections that the master has accepted.
    SharedCounter queued;            ///< Gauge: connections in the lobby that wait for a worker.
    SharedCounter parked;            ///< Gauge: connections in the lobby that wait for their client.
    SharedCounter completed;         ///< Ended between two requests, by the client or at a stop.
    SharedCounter client_aborted;    ///< The client left before it was served, or broke off.
    std::array<SharedCounter, limits_count> timed_out;
    std::array<SharedCounter, refusals> refused;
    std::array<SharedCounter, exit_reasons> lost;  ///< Connections, by why their worker ended.

    SharedCounter parkings;   ///< How often a connection was parked.
    SharedCounter handoffs;   ///< How often a connection was given to a worker.
    SharedCounter recovered;  ///< How often one was taken out of a channel or back from a dead worker.
    SharedCounter spawns;
    SharedCounter saturated_ns;  ///< Time with no spare worker and no room to grow.
    SharedCounter log_lines_dropped;
    SharedWord reload_successful;  ///< 1: the last reload was, or there was none.
    SharedCounter reloaded_at_s;   ///< When a configuration was last put into effect (UNIX time).
    std::array<SharedCounter, exit_reasons> exits;
    std::array<ListenQueueWords, listeners_max> listen_queues;  ///< Sampled once a second.
    SharedLine start_failure;  ///< Why the last worker didn't start, if it said; empty since one is ready.
};
static_assert(sizeof(ScoreboardHeader) <= scoreboard_page);

/// The stage of a slot, as the master sees it.
enum class Stage : std::uint32_t { vacant, starting, ready, draining };

/// A slot's entry in the table, written by the master alone.
struct SlotEntry {
    SharedWord stage;       ///< Stage.
    SharedWord generation;  ///< Names the worker that occupies the slot; raised at each spawn.
    // Counted over the slot's life; part of the master's accounts.
    SharedCounter handed;    ///< Connections given to the slot and not taken back.
    SharedCounter returned;  ///< Of `handed`: given back by a worker and received by the master.
    SharedCounter lost;      ///< Of `handed` (or of ScoreboardRow::accepted): ended by a worker's death.
    SharedCounter given;     ///< How often a connection was given to the slot, taken back or not.
};
static_assert(sizeof(SlotEntry) == 40);

/// A worker's own page. An ending is counted after the connection's close, and before the master can learn of
/// it from the WorkerPages; the same holds for `returned`.
struct alignas(scoreboard_page) ScoreboardRow {
    SharedWord activity;              ///< Activity.
    SharedWord ready_generation;      ///< The worker of this generation is ready to serve.
    SharedWord answers;               ///< The number of MessageKind::answer messages received.
    SharedCounter awaiting_since_ns;  ///< When it began to await its client's next request, a wait that a
                                      ///< message on its channel ends (CLOCK_MONOTONIC); 0: it doesn't.
    SharedCounter accepted;           ///< Connections that the worker accepted itself (Delivery::accept).
    SharedCounter begun;              ///< How often a handler began with a connection.
    SharedCounter finished;   ///< Where the worker accepts: completed + failed + client_aborted + refused +
                              ///< timed_out, raised after them.
    SharedCounter returned;   ///< Connections given back to the master to be parked.
    SharedCounter completed;  ///< The handler returned.
    SharedCounter failed;     ///< The handler threw.
    SharedCounter client_aborted;  ///< The client left in the middle.
    SharedCounter refused;         ///< Closed unserved because the server stops.
    std::array<SharedCounter, limits_count> timed_out;
    SharedCounter busy_ns;      ///< Time with a connection in a handler, without the current busy spell.
    SharedCounter begun_at_ns;  ///< When the current busy spell began (CLOCK_MONOTONIC); 0: idle.
    /// Datagrams for which the own sockets of busy peers had no room, by the index of the listener.
    std::array<SharedCounter, listeners_max> peers_dropped;
    RequestNote note;              ///< The request being served, if the handler names it.
    DurationHistogram queue_wait;  ///< From accept (or when a parked client spoke) to the handler's begin.
    DurationHistogram service;     ///< From the handler's begin to its end.
};
static_assert(sizeof(ScoreboardRow) == scoreboard_page,
              "a row is one page: its owner can write nothing else");

/// The number of connections that ended in the worker: the sum of the row's outcomes.
inline std::uint64_t outcomes(const ScoreboardRow& row) noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    std::uint64_t sum = row.completed.load(relaxed) + row.failed.load(relaxed) +
                        row.client_aborted.load(relaxed) + row.refused.load(relaxed);
    for (const SharedCounter& limit : row.timed_out)
        sum += limit.load(relaxed);
    return sum;
}

/// The sizes of what lies behind a slot's row.
struct SlotSizes {
    std::uint32_t depth = 0;       ///< Of its WorkerPages, in connections.
    std::uint32_t series_kib = 0;  ///< Of its SeriesMemory.
};

/// The master's scoreboard, all of it writable. Made before the first fork.
class Scoreboard {
public:
    /// Allocates all pages now, so that a full memory file system is a start-up error and not a later SIGBUS,
    /// and seals the memfd: no process can resize it or map it writable again. Each slot has WorkerPages for
    /// `depth` connections, and a SeriesMemory of `series_kib`, rounded up to whole pages. Throws
    /// std::system_error.
    explicit Scoreboard(std::uint32_t slots, std::uint32_t depth = 1, std::uint32_t series_kib = 0);
    ~Scoreboard();
    Scoreboard(Scoreboard&&) noexcept;
    Scoreboard& operator=(Scoreboard&&) = delete;

    [[nodiscard]] std::uint32_t slots() const noexcept { return slots_; }
    [[nodiscard]] ScoreboardHeader& header() noexcept;
    [[nodiscard]] SlotEntry& entry(std::uint32_t slot) noexcept;
    [[nodiscard]] ScoreboardRow& row(std::uint32_t slot) noexcept;
    [[nodiscard]] const ScoreboardRow& row(std::uint32_t slot) const noexcept;
    [[nodiscard]] WorkerPages pages(std::uint32_t slot) noexcept;
    [[nodiscard]] SeriesMemory series(std::uint32_t slot) noexcept;

    /// The size of a row with the pages behind it, to the next row.
    [[nodiscard]] std::size_t row_stride() const noexcept;

    /// The memfd, borrowed, for a ScoreboardReader.
    [[nodiscard]] int fd() const noexcept { return memory_.get(); }

    /// While a Change lives, the master changes its accounts; readers wait for its end, so that none sees a
    /// connection twice or not at all (a sequence lock with one writer: Boehm, "Can seqlocks get along with
    /// programming language memory models?"). A change within a change is part of the outer one. If the
    /// master dies within a change, its successor takes back what was remembered: see roll_back().
    class [[nodiscard]] Change {
    public:
        explicit Change(Scoreboard& board) noexcept : board_{board} {
            if (board_.changes_++ == 0) board_.bump();
        }
        ~Change() {
            if (--board_.changes_ > 0) return;
            board_.commit();
            board_.bump();
        }
        Change(const Change&) = delete;
        Change& operator=(const Change&) = delete;

    private:
        Scoreboard& board_;
    };

    /// To be called within a Change before a word in shared memory is changed that must change together with
    /// others, also if the master dies in between.
    template <typename Word>
    void remember(Word& word) noexcept {
        static_assert(sizeof(Word) <= sizeof(std::uint64_t) && std::is_trivially_destructible_v<Word>);
        if (changes_ > 0) remember(&word, sizeof word);
    }

    /// What has changed so far stays changed. ~Change() calls it; and so must whoever closes a descriptor
    /// within a Change, before it does.
    void commit() noexcept;

    /// For a master whose predecessor has died: takes back what was changed since the last commit.
    void roll_back() noexcept;

    /// From here on children don't get what is the master's alone.
    void keep_from_children() noexcept { undo_.keep_from_children(); }

    /// In a new worker process: unmaps everything but the rows and pages of its own slots, and maps the
    /// header again, read-only (the seal keeps it so). From then on header() must not be written and entry()
    /// not be used.
    void keep_only(std::uint32_t first_slot, std::uint32_t count = 1);

private:
    struct Mapping;

    /// What the words were before a Change, in its order.
    struct Undo {
        struct Before {
            void* word;
            std::uint64_t value;
            std::size_t size;
        };
        static constexpr std::size_t most = 120;
        SharedWord count;
        std::array<Before, most> words;
    };

    void remember(void* word, std::size_t size) noexcept;
    void bump() noexcept {
        SharedWord& version = header().version;
        version.store(version.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    UniqueFd memory_;
    std::uint32_t slots_;
    SlotSizes sizes_;
    std::uint32_t first_kept_ = 0;
    int changes_ = 0;  ///< The number of living Change objects.
    SharedArray<Undo> undo_{1};
    std::unique_ptr<Mapping> mapping_;
};

/// A read-only view for programs that export or show the numbers. A broken worker may have written any value.
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
    [[nodiscard]] SeriesReading series(std::uint32_t slot) const;

private:
    struct Mapping;
    std::uint32_t slots_;
    SlotSizes sizes_;
    std::unique_ptr<Mapping> mapping_;
};

}  // namespace bullpen
