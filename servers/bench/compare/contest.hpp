/// Who of those measured under a workload is best at what, with due regard to noise.
#pragma once

#include <vector>

#include "servers/bench/compare/comparison.hpp"
#include "servers/bench/compare/ranking.hpp"

namespace bullpen {

/// One discipline; places are those of WorkloadResult::measured().
struct Discipline {
    std::vector<Spread> values = {};
    std::vector<Rank> ranks = {};
    std::vector<std::size_t> best = {};  ///< Not told apart from each other; the best median first.
};

struct Contest {
    Discipline throughput;  ///< Requests a second.
    Discipline tail;        ///< p99 of the kind of requests that models are judged by.
    Discipline cpu;         ///< CPU time for each request.
    Discipline memory;      ///< PSS of the whole tree.
};

/// Every model ran more than once. One run says nothing about noise, so it ranks nobody: all share all ranks.
bool repeated(const WorkloadResult& result);

Contest judge(const WorkloadResult& result);

}  // namespace bullpen
