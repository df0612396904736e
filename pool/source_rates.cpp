#include "pool/source_rates.hpp"

#include <algorithm>
#include <bit>
#include <chrono>

namespace bullpen {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

std::uint64_t ns(std::chrono::nanoseconds span) noexcept {
    return static_cast<std::uint64_t>(span.count());
}

// The refusals of a window, and when it began, are one word.

constexpr unsigned count_bits = 20;
constexpr std::uint64_t count_mask = (std::uint64_t{1} << count_bits) - 1;

std::uint64_t refusals_of(std::uint64_t word) noexcept {
    return word & count_mask;
}

/// To a millisecond.
std::uint64_t window_begin_ns(std::uint64_t word) noexcept {
    return word & ~count_mask;
}

/// The finalizer of MurmurHash3, a bijection. The hashes of neighbouring addresses are an arithmetic
/// progression, which without it some random keys crowd into a few of the buckets.
std::uint64_t spread(std::uint64_t key) noexcept {
    key = (key ^ (key >> 33)) * 0xff51afd7ed558ccdULL;
    key = (key ^ (key >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return key ^ (key >> 33);
}

bool window_is_over(std::uint64_t word, std::uint64_t window_ns, std::uint64_t now_ns) noexcept {
    return word == 0 || now_ns >= window_begin_ns(word) + window_ns;
}

}  // namespace

SourceRates::Limits::Limits(const SourceOptions& options) noexcept
    : interval_ns{ns(std::chrono::seconds{1}) / static_cast<std::uint64_t>(options.rate_max)},
      burst_ns{interval_ns * static_cast<std::uint64_t>(options.rate_max - 1)},
      ban_ns{ns(options.ban)},
      ban_after{static_cast<std::uint64_t>(options.ban_after)},
      ban_window_ns{ns(options.ban_window)} {}

/// With places for twice as many, hardly any source finds all of its places in use.
SourceRates::SourceRates(std::size_t sources_max)
    : buckets_{std::bit_ceil(std::max<std::size_t>(2 * sources_max / ways, 1))} {}

std::optional<Refusal> SourceRates::admit(const IpAddress& network, const Limits& limits,
                                          std::uint64_t now_ns) noexcept {
    Source* const source = find_or_take(key_of(network), limits, now_ns);
    if (source == nullptr) return {};
    if (source->banned_until_ns.load(relaxed) > now_ns) return Refusal::banned;
    if (source->take(limits, now_ns)) return {};
    if (limits.ban_ns > 0) source->note_refusal(limits, now_ns);
    return Refusal::rate;
}

SourceRates::Source* SourceRates::find_or_take(std::uint64_t key, const Limits& limits,
                                               std::uint64_t now_ns) noexcept {
    Bucket& bucket = buckets_[key & (buckets_.size() - 1)];
    for (std::size_t way = 0; way < ways; ++way)
        if (bucket.keys[way].load(relaxed) == key) return &bucket.sources[way];
    for (std::size_t way = 0; way < ways; ++way) {
        if (bucket.sources[way].counts(limits, now_ns)) continue;
        std::uint64_t known = bucket.keys[way].load(relaxed);
        if (known == key || bucket.keys[way].compare_exchange_strong(known, key, relaxed) || known == key)
            return &bucket.sources[way];  // What it says is over, and so holds for any source.
    }
    return nullptr;
}

std::uint64_t SourceRates::key_of(const IpAddress& network) const noexcept {
    const std::uint64_t key = std::uint64_t{high_(network)} << 32 | low_(network);
    return std::max<std::uint64_t>(spread(key), 1);
}

bool SourceRates::Source::counts(const Limits& limits, std::uint64_t now_ns) const noexcept {
    return debt_end_ns.load(relaxed) > now_ns || banned_until_ns.load(relaxed) > now_ns ||
           !window_is_over(refusals.load(relaxed), limits.ban_window_ns, now_ns);
}

/// The rate is a token bucket of one second's worth, as in SourceLimits.
bool SourceRates::Source::take(const Limits& limits, std::uint64_t now_ns) noexcept {
    std::uint64_t end = debt_end_ns.load(relaxed);
    do {
        if (end > now_ns + limits.burst_ns) return false;
    } while (!debt_end_ns.compare_exchange_weak(end, std::max(end, now_ns) + limits.interval_ns, relaxed));
    return true;
}

/// Tries during a ban aren't counted.
void SourceRates::Source::note_refusal(const Limits& limits, std::uint64_t now_ns) noexcept {
    std::uint64_t known = refusals.load(relaxed);
    std::uint64_t next = 0;
    do {
        next = (window_is_over(known, limits.ban_window_ns, now_ns) ? window_begin_ns(now_ns) : known) + 1;
    } while (!refusals.compare_exchange_weak(known, next, relaxed));
    if (refusals_of(next) < limits.ban_after) return;
    banned_until_ns.store(now_ns + limits.ban_ns, relaxed);
    refusals.store(0, relaxed);
}

}  // namespace bullpen
