/// A comparison as a JSON document, and back.
///
/// The document is one object; `schema` says which form it has (comparison_schema; it is raised when a key
/// goes or changes its meaning). Its other keys are the members of Comparison, by their names, down to the
/// single runs; see comparison.hpp and workload.hpp for what they mean. Beside them, for other programs and
/// not read back:
///
///   workloads[].verdict                 sentences
///   workloads[].measurements[].summary  requests_per_s, connections_per_s, p50_us, p90_us, p99_us, p999_us,
///                                       max_us, cpu_us, cpu_user_us, cpu_system_us, voluntary_switches,
///                                       involuntary_switches, tree_kb, worker_kb: {median, min, max}, CPU
///                                       and switches per request; cpu_us_above_iterative, jain_index,
///                                       failed; loss (of datagrams): {median, min, max}; rank:
///                                       {requests_per_s, p99_us, cpu_us, tree_kb}: {first, last}
#pragma once

#include <string>
#include <string_view>

#include "servers/bench/compare/comparison.hpp"

namespace bullpen {

constexpr int comparison_schema = 1;

/// Ends with a newline.
std::string to_json(const Comparison& comparison);

/// Throws std::invalid_argument, one sentence that begins with `name` (the file's).
Comparison comparison_from_json(std::string_view text, const std::string& name);

}  // namespace bullpen
