/// Lists as people read them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bullpen {

/// "a", "a and b", "a, b and c"
std::string enumerate(const std::vector<std::string_view>& parts);
std::string enumerate(const std::vector<std::string>& parts);

}  // namespace bullpen
