#include "servers/bench/compare/contest.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace bullpen {
namespace {

Discipline discipline(std::vector<Spread> values, Better better, bool ranked, const char* noun) {
    Discipline made;
    made.noun = noun;
    made.ranked = ranked;
    made.ranks = rank(values, better);
    made.best = best_of(values, better);
    if (!ranked) {
        made.ranks.assign(values.size(), {.first = 1, .last = static_cast<int>(values.size())});
        made.best.resize(values.size());
        std::iota(made.best.begin(), made.best.end(), std::size_t{0});
    }
    made.values = std::move(values);
    return made;
}

}  // namespace

std::string Discipline::rank_of(std::size_t place) const {
    return ranked ? text_of(ranks[place]) : "–";
}

std::string explain_ranks(const Discipline& discipline, const std::string& by) {
    if (!discipline.ranked) return "No ranks: see the verdict.";
    const auto tied = std::find_if(discipline.ranks.begin(), discipline.ranks.end(),
                                   [](Rank rank) { return rank.first != rank.last; });
    const std::string ranks = "Ranks are by " + by + ": ";
    if (tied == discipline.ranks.end())
        return ranks + "no " + discipline.noun + "'s runs overlap with another's.";
    return ranks + text_of(*tied) + " stands for any from " + std::to_string(tied->first) + " to " +
           std::to_string(tied->last) + ", because the " + discipline.noun +
           "'s runs overlap with those of others; they are not told apart.";
}

bool repeated(const WorkloadResult& result) {
    const auto measured = result.measured();
    return std::all_of(measured.begin(), measured.end(),
                       [](const Measurement* m) { return m->runs.size() > 1; });
}

Contest judge(const WorkloadResult& result, const Machine& machine) {
    std::vector<Spread> throughput;
    std::vector<Spread> tail;
    std::vector<Spread> cpu;
    std::vector<Spread> memory;
    for (const Measurement* m : result.measured()) {
        throughput.push_back(m->over(&Run::requests_per_s));
        tail.push_back(m->latency(&LatencySummary::p99_us));
        cpu.push_back(m->over(&Run::cpu_us));
        memory.push_back(m->over(&Run::tree_kb));
    }
    const bool ranked = repeated(result) && result.others_share(machine) <= others_share_max;
    const char* const noun = noun_of(result.workload);
    return {
        .throughput = discipline(std::move(throughput), Better::higher, ranked, noun),
        .tail = discipline(std::move(tail), Better::lower, ranked, noun),
        .cpu = discipline(std::move(cpu), Better::lower, ranked, noun),
        .memory = discipline(std::move(memory), Better::lower, ranked, noun),
    };
}

}  // namespace bullpen
