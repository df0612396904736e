/// The distribution of latencies, a line for each model.
#pragma once

#include "servers/bench/compare/comparison.hpp"
#include "servers/bench/report/html.hpp"

namespace bullpen {

/// One figure, drawn for wide and for narrow pages; the style sheet shows one of them.
void plot_latency(Html& html, const WorkloadResult& result);

}  // namespace bullpen
