/// A histogram of durations in plain atomic counts with one writer, which a killed process can't corrupt.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace bullpen {

/// Four linear steps per octave from 1 µs to 1,074 s (2^30 µs), so that a bucket is at most 25 % wide. Bucket
/// 0 counts shorter durations, the last bucket longer ones.
constexpr std::size_t histogram_octaves = 30;
constexpr std::size_t histogram_buckets = histogram_octaves * 4 + 2;

/// The bucket that a duration belongs to.
constexpr std::size_t bucket_of(std::uint64_t duration_ns) noexcept {
    const std::uint64_t quarters = duration_ns / 250;  // Of a microsecond: the width of the finest step.
    if (quarters < 4) return 0;
    const auto octave = static_cast<std::size_t>(std::bit_width(quarters)) - 3;
    if (octave >= histogram_octaves) return histogram_buckets - 1;
    return 1 + octave * 4 + ((quarters >> octave) & 3);
}

/// The first duration that no longer belongs to the bucket; for the last one, which has no end, 2^64 - 1.
constexpr std::uint64_t bucket_end_ns(std::size_t bucket) noexcept {
    if (bucket == 0) return 1000;
    if (bucket >= histogram_buckets - 1) return ~std::uint64_t{0};
    const std::size_t octave = (bucket - 1) / 4;
    const std::size_t step = (bucket - 1) % 4;
    return (std::uint64_t{250} << octave) * (4 + step + 1);
}

/// Lies in shared memory. One process records, any process reads. A reader sees each count whole, but the
/// counts not all at one instant.
struct DurationHistogram {
    std::array<std::atomic<std::uint64_t>, histogram_buckets> counts;
    std::atomic<std::uint64_t> sum_ns;

    void record(std::uint64_t duration_ns) noexcept {
        auto& count = counts[bucket_of(duration_ns)];
        count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        sum_ns.store(sum_ns.load(std::memory_order_relaxed) + duration_ns, std::memory_order_relaxed);
    }
};

}  // namespace bullpen
