/// A worker's own pages behind its row: what it tells the master about the connections that it was handed.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <bullpen/detail/handoff_note.hpp>
#include "core/channel.hpp"

namespace bullpen {

/// What a worker has done with a connection that it was handed.
struct Completion {
    enum class Kind : std::uint8_t {
        ended,     ///< The worker has ended it, and counted how in its row.
        reset,     ///< The same; the last close is to reset it (SO_LINGER with time 0).
        parked,    ///< It waits for its client: the next handler goes on from `resumption`.
        declined,  ///< The worker hasn't begun with it, because the master has withdrawn it.
    };
    enum class File : std::uint8_t {
        none,    ///< The connection has no file, see Connection::file().
        same,    ///< The one that was handed over with it.
        passed,  ///< It is in the channel: the next message.
    };

    std::uint64_t number = 0;  ///< Of the handoff.
    Kind kind = Kind::ended;
    File file = File::none;
    std::uint8_t exchanged = 0;  ///< Not 0: the client has sent something, or was sent something.
    std::array<std::uint8_t, 5> unused{};
    Resumption resumption{};
};

/// A view of these pages: a ring of completions and, for each connection that a worker can have at once, a
/// HandoffNote. The worker writes, the master reads; there is no other reader. The ring has more entries than
/// the slot has connections, so it can't overflow: each handoff has one completion, also if it was withdrawn.
/// One word is the master's: up to which handoff it has withdrawn what the worker has only queued.
class WorkerPages {
public:
    WorkerPages() = default;  ///< None.
    WorkerPages(void* pages, std::uint32_t depth) noexcept
        : pages_{static_cast<std::byte*>(pages)}, depth_{depth} {}

    /// The bytes needed, in whole pages; 0 if depth is 0.
    static constexpr std::size_t size(std::uint32_t depth) noexcept {
        constexpr std::size_t page = 4096;
        if (depth == 0) return 0;
        const std::size_t bytes =
            ring_at + entries(depth) * sizeof(Entry) + std::size_t{depth} * sizeof(HandoffNote);
        return (bytes + page - 1) / page * page;
    }

    explicit operator bool() const noexcept { return depth_ > 0; }
    [[nodiscard]] std::uint32_t depth() const noexcept { return depth_; }

    [[nodiscard]] HandoffNote& note(std::uint32_t index) const noexcept {
        return *reinterpret_cast<HandoffNote*>(pages_ + ring_at + entries(depth_) * sizeof(Entry) +
                                               index * sizeof(HandoffNote));
    }

    /// The number of completions ever published.
    [[nodiscard]] std::uint64_t published() const noexcept { return index().load(std::memory_order_seq_cst); }

    /// The completion with this index, each word read once: a broken worker may be writing it.
    [[nodiscard]] Completion read(std::uint64_t index) const noexcept {
        const Entry& entry = entry_of(index);
        Words words;
        for (std::size_t i = 0; i < words.size(); ++i)
            words[i] = entry[i].load(std::memory_order_relaxed);
        return std::bit_cast<Completion>(words);
    }

    // For the worker.

    /// Writes the next completion, which the master doesn't see before publish().
    void write(const Completion& completion) const noexcept {
        Entry& entry = entry_of(index().load(std::memory_order_relaxed));
        const auto words = std::bit_cast<Words>(completion);
        for (std::size_t i = 0; i < words.size(); ++i)
            entry[i].store(words[i], std::memory_order_relaxed);
        std::atomic_signal_fence(std::memory_order_release);
    }
    void publish() const noexcept {
        index().store(index().load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
    }

    // For the master.

    /// Withdraws the handoffs up to `number` that the worker has only queued: see Worker::claim().
    void withdraw(std::uint64_t number) const noexcept {
        withdrawn_word().store(number, std::memory_order_seq_cst);
    }
    [[nodiscard]] std::uint64_t withdrawn() const noexcept {
        return withdrawn_word().load(std::memory_order_seq_cst);
    }

    // For the master, while no worker has the pages.

    /// Makes `published` the number of completions, and forgets the notes.
    void restart(std::uint64_t published) const noexcept {
        index().store(published, std::memory_order_relaxed);
        withdraw(0);
        for (std::uint32_t i = 0; i < depth_; ++i)
            note(i).tell(0, Progress::received, false);
    }

private:
    using Words = std::array<std::uint64_t, sizeof(Completion) / sizeof(std::uint64_t)>;
    using Entry = std::array<std::atomic<std::uint64_t>, std::tuple_size_v<Words>>;
    static_assert(std::is_trivially_copyable_v<Completion> && sizeof(Completion) == sizeof(Words));
    static constexpr std::size_t withdrawn_at = 64;  ///< Behind the index; each has a cache line of its own.
    static constexpr std::size_t ring_at = 128;
    static constexpr std::uint32_t most_withdrawn = messages_at_once - 1;  ///< That a worker still has.

    static constexpr std::size_t entries(std::uint32_t depth) noexcept {
        return std::bit_ceil(depth + most_withdrawn);
    }

    [[nodiscard]] std::atomic<std::uint64_t>& index() const noexcept {
        return *reinterpret_cast<std::atomic<std::uint64_t>*>(pages_);
    }
    [[nodiscard]] std::atomic<std::uint64_t>& withdrawn_word() const noexcept {
        return *reinterpret_cast<std::atomic<std::uint64_t>*>(pages_ + withdrawn_at);
    }
    [[nodiscard]] Entry& entry_of(std::uint64_t index) const noexcept {
        return reinterpret_cast<Entry*>(pages_ + ring_at)[index & (entries(depth_) - 1)];
    }

    std::byte* pages_ = nullptr;
    std::uint32_t depth_ = 0;
};

}  // namespace bullpen
