#include "core/enumerate.hpp"

#include <cstddef>

namespace bullpen {

std::string enumerate(const std::vector<std::string_view>& parts) {
    std::string text;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (i > 0) text += i + 1 == parts.size() ? " and " : ", ";
        text += parts[i];
    }
    return text;
}

std::string enumerate(const std::vector<std::string>& parts) {
    return enumerate(std::vector<std::string_view>{parts.begin(), parts.end()});
}

}  // namespace bullpen
