/// How long each of many requests took, in memory that does not grow with their number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bullpen {

struct LatencySummary {
    double mean_us = 0;
    double p50_us = 0;
    double p90_us = 0;
    double p99_us = 0;
    double p999_us = 0;
    double max_us = 0;
};

/// A point of the distribution: so large a part of all requests (0 to 1) took no longer than that.
struct LatencyPoint {
    double quantile = 0;
    double us = 0;
};

/// A histogram of microseconds, exact below 4 ms and within 0.05 % above, in at most 360 kB. Count, mean and
/// maximum are exact. A request that takes longer than 71 minutes counts as that.
class Latencies {
public:
    void record(std::uint64_t duration_ns);
    void add(const Latencies& others);

    [[nodiscard]] std::size_t count() const noexcept { return count_; }

    /// The nearest rank: the shortest duration that `permille` thousandths of all samples don't exceed (500
    /// is the median, 1000 the maximum). 0 without samples.
    [[nodiscard]] double quantile_us(unsigned permille) const;

    [[nodiscard]] LatencySummary summary() const;

    /// For a plot: every hundredth to 0.9, then ever closer to 1 (0.99, 0.999, 0.9999, with points between),
    /// and 1. Nothing without samples.
    [[nodiscard]] std::vector<LatencyPoint> distribution() const;

private:
    [[nodiscard]] double at_rank(std::size_t rank) const;

    std::vector<std::uint64_t> counts_;  ///< As long as the longest duration needs.
    std::size_t count_ = 0;
    double sum_us_ = 0;
    std::uint32_t max_us_ = 0;
};

}  // namespace bullpen
