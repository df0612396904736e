/// What to know about the numbers of a comparison, in sentences; the same on the terminal and on the page.
#pragma once

#include <string>
#include <vector>

#include "servers/bench/compare/comparison.hpp"

namespace bullpen {

/// On what it was measured, when, and how often.
std::string headline(const Comparison& comparison);

/// Errors by name, the contenders that could not be measured or were left out and why, whether the client was
/// the limit, how busy the machine was.
std::vector<std::string> remarks(const WorkloadResult& result, const Comparison& comparison);

/// How the numbers were made and what they mean: the same for every comparison.
std::vector<std::string> reading_help(const Comparison& comparison);

}  // namespace bullpen
