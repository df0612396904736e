/// A comparison as text for a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "servers/cli/comparison.hpp"

namespace bullpen {

/// The head, the table, how the connections fell on the workers, and what to know about the numbers. No line
/// is wider than `width` columns, unless a model has a very long name.
std::string render_table(const Comparison& comparison, std::size_t width = 80);

/// Breaks text between words; lines after the first begin with `indent` spaces.
std::string wrap(const std::string& text, std::size_t width, std::size_t indent);

/// "20,501"
std::string grouped(std::int64_t number);

/// Three significant digits: "0.71", "12.3", "1,230".
std::string significant(double value);

}  // namespace bullpen
