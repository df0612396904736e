#include "servers/bench/load/round_trip_time.hpp"

#include <algorithm>
#include <utility>

namespace bullpen {

void RoundTripTime::measured(Duration round_trip) noexcept {
    round_trip = std::max(round_trip, Duration::zero());
    if (!std::exchange(known_, true)) {
        smoothed_ = round_trip;
        variation_ = round_trip / 2;
        return;
    }
    const Duration error = round_trip - smoothed_;
    variation_ += (std::chrono::abs(error) - variation_) / 4;
    smoothed_ += error / 8;
}

RoundTripTime::Duration RoundTripTime::timeout(int attempt) const noexcept {
    Duration span = known_ ? smoothed_ + 4 * variation_ : limits_.first;
    span = std::clamp(span, limits_.least, limits_.most);
    for (int i = 0; i < attempt && span < limits_.most; ++i)
        span = std::min(2 * span, limits_.most);
    return span;
}

}  // namespace bullpen
