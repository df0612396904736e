/// A comparison as one page for a browser.
#pragma once

#include <string>

#include "servers/bench/compare/comparison.hpp"

namespace bullpen {

/// An HTML document that needs nothing beside it and runs no script: what was measured on what, the verdict,
/// plots, tables, and how to read them.
std::string render_report(const Comparison& comparison);

}  // namespace bullpen
