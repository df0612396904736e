#include "servers/bench/compare/contest.hpp"

#include <algorithm>
#include <numeric>

namespace bullpen {
namespace {

Discipline discipline(std::vector<Spread> values, Better better, bool told_apart) {
    Discipline made;
    made.ranks = rank(values, better);
    made.best = best_of(values, better);
    if (!told_apart) {
        made.ranks.assign(values.size(), {.first = 1, .last = static_cast<int>(values.size())});
        made.best.resize(values.size());
        std::iota(made.best.begin(), made.best.end(), std::size_t{0});
    }
    made.values = std::move(values);
    return made;
}

}  // namespace

bool repeated(const WorkloadResult& result) {
    const auto measured = result.measured();
    return std::all_of(measured.begin(), measured.end(),
                       [](const Measurement* m) { return m->runs.size() > 1; });
}

Contest judge(const WorkloadResult& result) {
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
    const bool told_apart = repeated(result);
    return {
        .throughput = discipline(std::move(throughput), Better::higher, told_apart),
        .tail = discipline(std::move(tail), Better::lower, told_apart),
        .cpu = discipline(std::move(cpu), Better::lower, told_apart),
        .memory = discipline(std::move(memory), Better::lower, told_apart),
    };
}

}  // namespace bullpen
