/// Axes: where the numbers of a plot fall, and which of them are written beside it.
#pragma once

#include <vector>

namespace bullpen {

/// From 0 to a round number that is not below any value.
struct LinearScale {
    double top = 1;
    std::vector<double> ticks = {};  ///< 0 and `top` among them; three to six.

    /// 0 to 1.
    [[nodiscard]] double at(double value) const noexcept;
};
LinearScale linear_scale(double greatest);

/// From a round number to a round number, 1, 2 or 5 times a power of ten, by equal ratios.
struct LogScale {
    double bottom = 1;
    double top = 10;
    std::vector<double> ticks = {};

    /// 0 to 1; what lies outside is at the edge.
    [[nodiscard]] double at(double value) const noexcept;
};

/// For values above 0.
LogScale log_scale(double least, double greatest);

/// Stretches the end of a distribution: 0 is at 0, 0.9 at 1, 0.99 at 2, 0.999 at 3 and so on.
double tail_scale(double quantile) noexcept;

/// Moves labels of so great a height apart, no further than needed, and keeps them between top and bottom
/// where they fit. Given and returned are their middles, in the order of `wanted`.
std::vector<double> spread_labels(const std::vector<double>& wanted, double height, double top,
                                  double bottom);

}  // namespace bullpen
