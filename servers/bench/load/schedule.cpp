#include "servers/bench/load/schedule.hpp"

#include <cmath>

namespace bullpen {

void Schedule::advance() noexcept {
    constexpr double second_ns = 1e9;
    ++number_;
    if (arrivals_ == Arrivals::even) {
        elapsed_ns_ = static_cast<double>(number_) / rate_ * second_ns;  // A sum of gaps would drift.
    } else {
        constexpr double two_to_53 = 9007199254740992.0;
        const double uniform = (static_cast<double>(random_() >> 11) + 0.5) / two_to_53;  // Never 0.
        elapsed_ns_ -= std::log(uniform) / rate_ * second_ns;
    }
    offset_ns_ = static_cast<std::uint64_t>(elapsed_ns_);
}

}  // namespace bullpen
