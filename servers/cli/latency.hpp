/// How long each of many requests took, kept whole, so that its percentiles are exact.
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

/// Four bytes a sample, in microseconds; a request that takes longer than 71 minutes counts as that.
class Latencies {
public:
    void reserve(std::size_t samples) { samples_us_.reserve(samples); }
    void record(std::uint64_t duration_ns);

    [[nodiscard]] std::size_t count() const noexcept { return samples_us_.size(); }

    /// The nearest rank: the shortest duration that so many thousandths of all samples don't exceed (500 is
    /// the median, 1000 the maximum). 0 without samples. Reorders the samples.
    [[nodiscard]] double quantile_us(unsigned permille);

    [[nodiscard]] LatencySummary summary();

private:
    std::vector<std::uint32_t> samples_us_;
};

}  // namespace bullpen
