/// A number that was measured several times: its median, and how far the runs lie apart.
#pragma once

#include <vector>

namespace bullpen {

/// The least and the greatest value, not quartiles: with the three or five runs of a comparison there are no
/// quartiles to speak of, and the full range claims least.
struct Spread {
    double median = 0;
    double min = 0;
    double max = 0;
};

/// All 0 without values. Of an even number of values the median is the mean of the middle two.
Spread spread_of(std::vector<double> values);

/// They have a value in common: what was measured does not tell them apart.
constexpr bool overlap(const Spread& a, const Spread& b) noexcept {
    return a.min <= b.max && b.min <= a.max;
}

}  // namespace bullpen
