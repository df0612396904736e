/// How the CPU time of a request grows with the connections that are idle
/// beside it: TLPI, table 63-9, as a plot.
#pragma once

#include "servers/bench/compare/comparison.hpp"
#include "servers/bench/report/html.hpp"

namespace bullpen {

/// A line for each model; nothing where fewer than two workloads have idle
/// connections.
void plot_idle(Html& html, const Comparison& comparison);

}  // namespace bullpen
