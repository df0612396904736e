#include "servers/bench/load/latency.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace bullpen {
namespace {

constexpr unsigned octave_bits = 11;
constexpr std::uint32_t steps_an_octave = 1U << octave_bits;

/// One bucket a microsecond in the first two octaves, then every octave has as many as the one before.
std::size_t bucket_of(std::uint32_t us) noexcept {
    const auto width = static_cast<unsigned>(std::bit_width(us));
    const unsigned shift = width > octave_bits + 1 ? width - octave_bits - 1 : 0;
    return std::size_t{shift} * steps_an_octave + (us >> shift);
}

std::uint64_t longest_in(std::size_t bucket) noexcept {
    if (bucket < 2 * steps_an_octave) return bucket;
    const std::size_t shift = bucket / steps_an_octave - 1;
    return ((std::uint64_t{bucket} - shift * steps_an_octave + 1) << shift) - 1;
}

}  // namespace

void Latencies::record(std::uint64_t duration_ns) {
    constexpr std::uint64_t longest = std::numeric_limits<std::uint32_t>::max();
    const std::uint64_t rounded = std::min(duration_ns / 1000 + (duration_ns % 1000 + 500) / 1000, longest);
    const auto us = static_cast<std::uint32_t>(rounded);
    const std::size_t bucket = bucket_of(us);
    if (bucket >= counts_.size()) counts_.resize((bucket / steps_an_octave + 1) * steps_an_octave);
    ++counts_[bucket];
    ++count_;
    sum_us_ += us;
    max_us_ = std::max(max_us_, us);
}

void Latencies::add(const Latencies& others) {
    counts_.resize(std::max(counts_.size(), others.counts_.size()));
    for (std::size_t i = 0; i < others.counts_.size(); ++i)
        counts_[i] += others.counts_[i];
    count_ += others.count_;
    sum_us_ += others.sum_us_;
    max_us_ = std::max(max_us_, others.max_us_);
}

double Latencies::at_rank(std::size_t rank) const {
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        seen += counts_[i];
        if (seen >= rank) return static_cast<double>(std::min<std::uint64_t>(longest_in(i), max_us_));
    }
    return max_us_;
}

double Latencies::quantile_us(unsigned permille) const {
    if (count_ == 0) return 0;
    return at_rank(std::clamp<std::size_t>((count_ * permille + 999) / 1000, 1, count_));
}

LatencySummary Latencies::summary() const {
    if (count_ == 0) return {};
    return {
        .mean_us = sum_us_ / static_cast<double>(count_),
        .p50_us = quantile_us(500),
        .p90_us = quantile_us(900),
        .p99_us = quantile_us(990),
        .p999_us = quantile_us(999),
        .max_us = quantile_us(1000),
    };
}

std::vector<LatencyPoint> Latencies::distribution() const {
    std::vector<LatencyPoint> points;
    if (count_ == 0) return points;
    const auto add_point = [&](double quantile) {
        constexpr double rounding = 1e-9;  // 0.9 × 1,000 is not to be rank 901.
        const double rank = std::ceil(quantile * static_cast<double>(count_) - rounding);
        points.push_back(
            {quantile, at_rank(std::clamp<std::size_t>(static_cast<std::size_t>(rank), 1, count_))});
    };
    for (int hundredth = 0; hundredth < 90; ++hundredth)
        add_point(hundredth / 100.0);
    for (const double tail : {0.1, 0.01, 0.001, 0.0001})
        for (const double part : {1.0, 0.75, 0.5, 0.3, 0.2})
            add_point(1 - tail * part);
    add_point(0.99999);
    add_point(1);
    return points;
}

}  // namespace bullpen
