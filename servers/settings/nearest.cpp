#include "servers/settings/nearest.hpp"

#include <algorithm>

#include "core/enumerate.hpp"

namespace bullpen {

/// Optimal string alignment: Levenshtein's rows, and the row before the last for swapped neighbours.
std::size_t edit_distance(std::string_view from, std::string_view to) {
    std::vector<std::size_t> before_last(to.size() + 1);
    std::vector<std::size_t> last(to.size() + 1);
    std::vector<std::size_t> row(to.size() + 1);
    for (std::size_t j = 0; j <= to.size(); ++j)
        row[j] = j;
    for (std::size_t i = 1; i <= from.size(); ++i) {
        before_last.swap(last);
        last.swap(row);
        row[0] = i;
        for (std::size_t j = 1; j <= to.size(); ++j) {
            const std::size_t changed = last[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, changed});
            const bool swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
            if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
        }
    }
    return row[to.size()];
}

std::optional<std::string_view> nearest(std::string_view name,
                                        const std::vector<std::string_view>& candidates) {
    std::optional<std::string_view> best;
    std::size_t best_distance = 0;
    for (const std::string_view candidate : candidates) {
        const std::size_t distance = edit_distance(name, candidate);
        const bool alike = distance < std::max(name.size(), candidate.size());
        if (!alike || (best && distance >= best_distance)) continue;
        best = candidate;
        best_distance = distance;
    }
    return best;
}

std::string no_such(std::string_view kind, std::string_view name,
                    const std::vector<std::string_view>& candidates) {
    std::string sentence = "there is no " + std::string{kind} + " '" + std::string{name} + "'; known are " +
                           enumerate(candidates);
    if (const auto guess = nearest(name, candidates))
        sentence += " (the nearest is " + std::string{*guess} + ")";
    return sentence;
}

}  // namespace bullpen
