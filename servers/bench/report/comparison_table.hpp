/// A comparison as text for a terminal.
#pragma once

#include <cstddef>
#include <string>

#include "servers/bench/compare/comparison.hpp"

namespace bullpen {

/// For each workload a table of speed and latency, one of resources and one of how the connections fell on
/// the workers, and what to know about the numbers. No line is wider than `width` columns, 80 or more,
/// unless names or words are very long: numbers are written shorter.
std::string render_table(const Comparison& comparison, std::size_t width = 80);

}  // namespace bullpen
