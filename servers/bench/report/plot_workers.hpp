/// How the connections fell on the workers: UNP figure 30.2 as a plot.
#pragma once

#include "servers/bench/compare/comparison.hpp"
#include "servers/bench/report/html.hpp"

namespace bullpen {

/// A row for each model, a column for each of its workers.
void plot_workers(Html& html, const WorkloadResult& result);

}  // namespace bullpen
