/// The tables of a report.
#pragma once

#include "servers/bench/compare/comparison.hpp"
#include "servers/bench/compare/contest.hpp"
#include "servers/bench/report/html.hpp"

namespace bullpen {

/// Who is best at what, a line for each workload.
void glance_table(Html& html, const Comparison& comparison);

/// All numbers of a workload, in two tables.
void speed_table(Html& html, const WorkloadResult& result, const Contest& contest);
void resource_table(Html& html, const WorkloadResult& result, const Contest& contest);

/// What became of the datagrams of all runs together; nothing where there were none.
void datagram_table(Html& html, const WorkloadResult& result);

/// What a full receive buffer did; nothing where that wasn't tried.
void full_buffer_table(Html& html, const WorkloadResult& result);

}  // namespace bullpen
