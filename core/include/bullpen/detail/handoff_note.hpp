/// What a worker tells the master about a connection that it was handed: whether another worker may have it.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <bullpen/connection_state.hpp>
#include <bullpen/detail/parking.hpp>

namespace bullpen {

/// How far a worker has come with a connection.
enum class Progress : std::uint8_t {
    queued,    ///< It has it behind others, and begins with it only if the master hasn't withdrawn it.
    received,  ///< It has it; the handler hasn't been called.
    kept,      ///< It is between two requests: everything that was taken has been answered.
    begun,     ///< The handler was called, or was shown a request. No byte was taken or written since.
    touched,   ///< A byte was taken from the socket or written to it, or is about to be.
};

/// What a handler goes on from. Crosses processes as whole words.
struct Resumption {
    Parking parking{};
    ConnectionState state{};
};
static_assert(std::is_trivially_copyable_v<Resumption> && sizeof(Resumption) % sizeof(std::uint64_t) == 0);

/// Lives in shared memory. Written by the worker, which may be killed at any instruction; read by the master
/// after its death. The number is stored last, so that what it stands for is there.
class HandoffNote {
public:
    struct Told {
        std::uint64_t number = 0;  ///< Of the handoff; 0: of none.
        Progress progress = Progress::received;
        bool exchanged = false;  ///< The client has sent something, or was sent something.
        Resumption resumption{};
    };

    /// A connection has been received, or is between two requests, and goes on from `resumption`.
    void tell(std::uint64_t number, Progress progress, bool exchanged,
              const Resumption& resumption) noexcept {
        const auto words = std::bit_cast<Words>(resumption);
        for (std::size_t i = 0; i < words.size(); ++i)
            words_[i].store(words[i], std::memory_order_relaxed);
        tell(number, progress, exchanged);
    }

    /// It is no longer behind others. Sequentially consistent: see Worker::claim().
    void claim(std::uint64_t number) noexcept {
        word_.store(word_of(number, Progress::received, false), std::memory_order_seq_cst);
    }

    /// It goes on from what was told last.
    void tell(std::uint64_t number, Progress progress, bool exchanged) noexcept {
        word_.store(word_of(number, progress, exchanged), std::memory_order_release);
    }

    [[nodiscard]] Told read() const noexcept {
        const std::uint64_t word = word_.load(std::memory_order_seq_cst);
        Told told{.number = word >> shift,
                  .progress = static_cast<Progress>(word & progress_bits),
                  .exchanged = (word & exchanged_bit) != 0};
        Words words;
        for (std::size_t i = 0; i < words.size(); ++i)
            words[i] = words_[i].load(std::memory_order_relaxed);
        told.resumption = std::bit_cast<Resumption>(words);
        return told;
    }

    [[nodiscard]] std::uint64_t number() const noexcept {
        return word_.load(std::memory_order_acquire) >> shift;
    }

private:
    using Words = std::array<std::uint64_t, sizeof(Resumption) / sizeof(std::uint64_t)>;
    static constexpr unsigned shift = 4;
    static constexpr std::uint64_t exchanged_bit = 8;
    static constexpr std::uint64_t progress_bits = 7;

    static constexpr std::uint64_t word_of(std::uint64_t number, Progress progress, bool exchanged) noexcept {
        return number << shift | (exchanged ? exchanged_bit : 0) | static_cast<std::uint64_t>(progress);
    }

    std::atomic<std::uint64_t> word_;
    std::array<std::atomic<std::uint64_t>, std::tuple_size_v<Words>> words_;
};

/// A worker's own view of one handoff: what it says there, and to whom. Without a note (a connection that
/// nobody handed over) it says nothing.
class HandoffProgress {
public:
    HandoffProgress() = default;
    HandoffProgress(HandoffNote& note, std::uint64_t number) noexcept : note_{&note}, number_{number} {}

    /// Whether the master keeps a copy of the socket and learns of the progress.
    explicit operator bool() const noexcept { return note_ != nullptr; }
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] HandoffNote* note() const noexcept { return note_; }

    void receive(const Resumption& resumption, bool exchanged) noexcept {
        tell(Progress::received, exchanged, resumption);
    }
    void queue(const Resumption& resumption) noexcept { tell(Progress::queued, false, resumption); }
    void claim() noexcept {
        progress_ = Progress::received;
        if (note_ != nullptr) note_->claim(number_);
    }
    void begin(bool exchanged) noexcept {
        progress_ = Progress::begun;
        if (note_ != nullptr) note_->tell(number_, progress_, exchanged);
    }
    /// Before each call that takes or writes bytes.
    void touch() noexcept {
        if (progress_ == Progress::touched) return;
        progress_ = Progress::touched;
        if (note_ != nullptr) note_->tell(number_, progress_, true);
    }
    /// At a request boundary: another worker could go on from here.
    void keep(const Resumption& resumption, bool exchanged) noexcept {
        tell(Progress::kept, exchanged, resumption);
    }
    /// In the middle of a request of which nothing has been taken.
    void go_on_from(const Resumption& resumption, bool exchanged) noexcept {
        if (progress_ != Progress::touched) tell(Progress::begun, exchanged, resumption);
    }
    /// What touch() announced hasn't happened: nothing was there.
    void untouch(Progress before, bool exchanged) noexcept {
        progress_ = before;
        if (note_ != nullptr) note_->tell(number_, before, exchanged);
    }
    [[nodiscard]] Progress progress() const noexcept { return progress_; }

private:
    void tell(Progress progress, bool exchanged, const Resumption& resumption) noexcept {
        progress_ = progress;
        if (note_ != nullptr) note_->tell(number_, progress, exchanged, resumption);
    }

    HandoffNote* note_ = nullptr;
    std::uint64_t number_ = 0;
    Progress progress_ = Progress::received;
};

}  // namespace bullpen
