#include "servers/bench/load/request_mix.hpp"

#include <algorithm>
#include <utility>

namespace bullpen {

/// Each class's requests stand at equal distances on a line from 0 to 1, and the line is read from the left.
/// Every class begins at another place, so that two rare ones do not meet.
RequestMix::RequestMix(const std::vector<unsigned>& weights) {
    std::vector<std::pair<double, std::uint32_t>> line;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const double offset = (static_cast<double>(i) + 0.5) / static_cast<double>(weights.size());
        for (unsigned k = 0; k < weights[i]; ++k)
            line.emplace_back((k + offset) / weights[i], static_cast<std::uint32_t>(i));
    }
    std::sort(line.begin(), line.end());
    for (const auto& [place, number] : line)
        cycle_.push_back(number);
    if (cycle_.empty()) cycle_.push_back(0);
}

}  // namespace bullpen
