/// Plots with a row for each model: a bar and its number. They fit any width.
#pragma once

#include <string>
#include <vector>

#include "servers/bench/compare/comparison.hpp"
#include "servers/bench/compare/contest.hpp"
#include "servers/bench/report/html.hpp"

namespace bullpen {

void plot_throughput(Html& html, const WorkloadResult& result, const Contest& contest);
void plot_cpu(Html& html, const WorkloadResult& result, const Contest& contest);
void plot_memory(Html& html, const WorkloadResult& result, const Contest& contest);

}  // namespace bullpen
