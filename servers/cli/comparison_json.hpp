/// A comparison as JSON, for other programs.
#pragma once

#include <string>

#include "servers/cli/comparison.hpp"

namespace bullpen {

/// One object, ending in a newline. Times in µs or s, as the keys say.
std::string to_json(const Comparison& comparison);

}  // namespace bullpen
