/// Source rates: how many datagrams a second one source is served, counted by all workers of a pool together.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <bullpen/ip_address.hpp>
#include <bullpen/source_options.hpp>
#include "core/ip_address_hash.hpp"
#include "core/shared_array.hpp"
#include "pool/refusal.hpp"

namespace bullpen {

/// One table for all workers, in memory that they share: any of them gets a source's next datagram, so that a
/// table for each, with its share of the rate, would let in more or less than the rate as the kernel deals.
/// It belongs to nobody and needs no lock: a place is taken by one compare-exchange of its key, and a
/// source's bucket filled by one of its only word, so that a worker may die anywhere in between. A reload and
/// a master's death leave it as it is.
///
/// Bounded: a source has one of the eight places that its hash chooses (random keys: nobody can choose
/// addresses that collide), and only while it counts; else its place is as good as vacant. A source that
/// finds all eight in use is served and not counted: limits protect the server and must not close it. That
/// happens to one in twenty of the new ones while sources_max count at once, as in a flood with forged
/// addresses. Two workers that are at a place in the same microsecond may count one datagram for another
/// source.
class SourceRates {
public:
    /// What is asked of a source, as times in ns. Made from SourceOptions::rate_max, which must not be 0.
    struct Limits {
        explicit Limits(const SourceOptions& options) noexcept;

        std::uint64_t interval_ns;  ///< The time that earns one datagram.
        std::uint64_t burst_ns;     ///< The debt with which one more is served.
        std::uint64_t ban_ns;       ///< 0: nobody is banned.
        std::uint64_t ban_after;
        std::uint64_t ban_window_ns;
    };

    /// Has 64 bytes of memory for each of `sources_max` sources, used once there are so many. Throws
    /// std::system_error.
    explicit SourceRates(std::size_t sources_max);

    /// Serves one more of the network's datagrams, or returns why not (rate, banned). `now_ns` is of
    /// CLOCK_MONOTONIC. Any process and thread may call it.
    [[nodiscard]] std::optional<Refusal> admit(const IpAddress& network, const Limits& limits,
                                               std::uint64_t now_ns) noexcept;

private:
    using Word = std::atomic<std::uint64_t>;
    static_assert(Word::is_always_lock_free);

    /// Times are of CLOCK_MONOTONIC; one that is over is as good as none.
    struct Source {
        Word debt_end_ns;  ///< When its token bucket will be full again.
        Word banned_until_ns;
        Word refusals;  ///< See refusals_of().

        [[nodiscard]] bool counts(const Limits& limits, std::uint64_t now_ns) const noexcept;
        [[nodiscard]] bool take(const Limits& limits, std::uint64_t now_ns) noexcept;
        void note_refusal(const Limits& limits, std::uint64_t now_ns) noexcept;
    };

    static constexpr std::size_t ways = 8;
    struct Bucket {
        std::array<Word, ways> keys;  ///< 0: the place was never taken.
        std::array<Source, ways> sources;
    };

    [[nodiscard]] Source* find_or_take(std::uint64_t key, const Limits& limits,
                                       std::uint64_t now_ns) noexcept;
    [[nodiscard]] std::uint64_t key_of(const IpAddress& network) const noexcept;

    SharedArray<Bucket> buckets_;  ///< A power of 2 of them.
    IpAddressHash high_;
    IpAddressHash low_;
};

}  // namespace bullpen
