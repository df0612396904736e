/// What a comparison amounts to, in sentences. Where the runs of two models overlap it prefers none.
#pragma once

#include <string>
#include <vector>

#include "servers/bench/compare/comparison.hpp"

namespace bullpen {

/// The whole in one or two sentences.
std::string verdict_on(const Comparison& comparison);

/// Throughput, the tail of the latency, CPU and memory, a sentence each; fewer if there is nothing to say.
/// What other programs used of the machine stands last if it was much.
std::vector<std::string> verdict_on(const WorkloadResult& result, const Machine& machine);

/// "Other programs used up to 80 % of the machine meanwhile: …" if they used more than a little, else empty.
std::string disturbance_of(const WorkloadResult& result, const Machine& machine);

}  // namespace bullpen
