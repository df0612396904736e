#include "servers/settings/nearest.hpp"

#include <algorithm>
#include <cstddef>

#include "core/enumerate.hpp"
#include "core/printable.hpp"

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

std::vector<std::string_view> nearest_first(std::string_view name, std::vector<std::string_view> candidates) {
    std::stable_sort(candidates.begin(), candidates.end(), [name](std::string_view a, std::string_view b) {
        return edit_distance(name, a) < edit_distance(name, b);
    });
    return candidates;
}

std::optional<std::string_view> nearest(std::string_view name,
                                        const std::vector<std::string_view>& candidates) {
    const auto sorted = nearest_first(name, candidates);
    const bool alike =
        !sorted.empty() && edit_distance(name, sorted.front()) < std::max(name.size(), sorted.front().size());
    return alike ? std::optional{sorted.front()} : std::nullopt;
}

std::string no_such(std::string_view kind, std::string_view name,
                    const std::vector<std::string_view>& candidates) {
    constexpr std::size_t shown_most = 5;
    const auto guess = nearest(name, candidates);
    std::vector<std::string> shown;
    for (const std::string_view candidate : nearest_first(name, candidates))
        shown.emplace_back(candidate);
    if (shown.size() > shown_most) {
        shown.resize(shown_most);
        shown.push_back(std::to_string(candidates.size() - shown_most) + " more");
    }
    return "there is no " + std::string{kind} + " '" + printable(name) + "'" +
           (guess ? " (did you mean " + std::string{*guess} + "?)" : "") + "; known are " + enumerate(shown);
}

}  // namespace bullpen
