/// Who of those measured under a workload is best at what, with due regard to noise.
#pragma once

#include <string>
#include <vector>

#include "servers/bench/compare/comparison.hpp"
#include "servers/bench/compare/ranking.hpp"

namespace bullpen {

/// One discipline; places are those of WorkloadResult::measured().
struct Discipline {
    std::vector<Spread> values = {};
    std::vector<Rank> ranks = {};
    std::vector<std::size_t> best = {};  ///< Not told apart from each other; the best median first.
    bool ranked = true;                  ///< Else all share all ranks.
    const char* noun = "model";          ///< What is compared.

    [[nodiscard]] std::string rank_of(
        std::size_t place) const;  ///< "2", "2–4", or "–" where nothing is ranked.
};

struct Contest {
    Discipline throughput;  ///< Requests a second.
    Discipline tail;        ///< p99 of the kind of requests that models are judged by.
    Discipline cpu;         ///< CPU time for each request.
    Discipline memory;      ///< PSS of the whole tree.
};

/// Where other programs used more of the machine than that during a run, nothing is ranked.
constexpr double others_share_max = 0.25;

/// Every model ran more than once. One run says nothing about noise, so nothing is ranked without.
bool repeated(const WorkloadResult& result);

Contest judge(const WorkloadResult& result, const Machine& machine);

/// What the ranks of a table or a plot mean, in a sentence to stand below it: `by` is what they go by.
std::string explain_ranks(const Discipline& discipline, const std::string& by);

}  // namespace bullpen
