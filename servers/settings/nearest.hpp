/// What was probably meant by a mistyped name.
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace bullpen {

/// How many letters must be changed, left out, put in or swapped with their neighbour to turn one into the
/// other.
std::size_t edit_distance(std::string_view from, std::string_view to);

/// The candidates by their edit distance, the smallest first.
std::vector<std::string_view> nearest_first(std::string_view name, std::vector<std::string_view> candidates);

/// The candidate with the smallest edit distance, the first of several. Nothing if none has a letter in its
/// place: then there is nothing to guess.
std::optional<std::string_view> nearest(std::string_view name,
                                        const std::vector<std::string_view>& candidates);

/// "there is no model 'prefrok' (did you mean prefork?); known are prefork, fork and iterative": five at
/// most, the nearest first, and how many more. `kind` is "model", "service" and so on.
std::string no_such(std::string_view kind, std::string_view name,
                    const std::vector<std::string_view>& candidates);

/// The one of `all` (things with a `name`) that is called so. Else throws std::invalid_argument with
/// no_such's sentence, after `place` and a colon if there is one.
template <typename Named>
const Named& choose(std::string_view kind, std::string_view name, const std::vector<Named>& all,
                    std::string_view place = {}) {
    std::vector<std::string_view> names;
    for (const Named& one : all) {
        if (one.name == name) return one;
        names.push_back(one.name);
    }
    throw std::invalid_argument{(place.empty() ? "" : std::string{place} + ": ") +
                                no_such(kind, name, names)};
}

}  // namespace bullpen
