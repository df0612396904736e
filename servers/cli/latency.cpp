#include "servers/cli/latency.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace bullpen {

void Latencies::record(std::uint64_t duration_ns) {
    constexpr std::uint64_t longest = std::numeric_limits<std::uint32_t>::max();
    samples_us_.push_back(static_cast<std::uint32_t>(std::min((duration_ns + 500) / 1000, longest)));
}

double Latencies::quantile_us(unsigned permille) {
    if (samples_us_.empty()) return 0;
    const std::size_t rank = (samples_us_.size() * permille + 999) / 1000;
    const auto index = static_cast<std::ptrdiff_t>(std::clamp<std::size_t>(rank, 1, samples_us_.size()) - 1);
    std::nth_element(samples_us_.begin(), samples_us_.begin() + index, samples_us_.end());
    return static_cast<double>(samples_us_[static_cast<std::size_t>(index)]);
}

LatencySummary Latencies::summary() {
    if (samples_us_.empty()) return {};
    const double sum = std::accumulate(samples_us_.begin(), samples_us_.end(), 0.0);
    return {
        .mean_us = sum / static_cast<double>(samples_us_.size()),
        .p50_us = quantile_us(500),
        .p90_us = quantile_us(900),
        .p99_us = quantile_us(990),
        .p999_us = quantile_us(999),
        .max_us = quantile_us(1000),
    };
}

}  // namespace bullpen
