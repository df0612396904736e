/// For tests: whether a text has a part.
#pragma once

#include <string_view>

namespace bullpen {

inline bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

}  // namespace bullpen
