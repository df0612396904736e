#include "servers/bench/compare/fairness.hpp"

namespace bullpen {

double jain_index(const std::vector<std::uint64_t>& shares) noexcept {
    double sum = 0;
    double squares = 0;
    for (const std::uint64_t share : shares) {
        const auto value = static_cast<double>(share);
        sum += value;
        squares += value * value;
    }
    return squares > 0 ? sum * sum / (static_cast<double>(shares.size()) * squares) : 1;
}

}  // namespace bullpen
