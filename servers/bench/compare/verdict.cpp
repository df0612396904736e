#include "servers/bench/compare/verdict.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "core/enumerate.hpp"
#include "servers/bench/compare/contest.hpp"
#include "servers/bench/text/number_text.hpp"

namespace bullpen {
namespace {

using Measured = std::vector<const Measurement*>;
using ValueText = std::function<std::string(double)>;

/// "a, b and 3 more": nobody reads a sentence of ten names.
std::string few(std::vector<std::string> names) {
    constexpr std::size_t readable = 4;
    if (names.size() > readable + 1) {
        const std::size_t more = names.size() - readable;
        names.resize(readable);
        names.push_back(std::to_string(more) + " more");
    }
    return enumerate(names);
}

std::vector<std::string> names_of(const std::vector<std::size_t>& places, const Measured& measured) {
    std::vector<std::string> names;
    for (const std::size_t place : places)
        names.push_back(measured[place]->model);
    return names;
}

/// The one best contender of a discipline beside the next one.
std::string alone(const Discipline& discipline, const Measured& measured, Better better) {
    const std::size_t best = discipline.best.front();
    std::size_t next = measured.size();
    for (std::size_t i = 0; i < measured.size(); ++i) {
        if (i == best) continue;
        const double median = discipline.values[i].median;
        const bool nearer =
            next == measured.size() || (better == Better::higher ? median > discipline.values[next].median
                                                                 : median < discipline.values[next].median);
        if (nearer) next = i;
    }
    if (next == measured.size()) return {};
    const double own = discipline.values[best].median;
    const double others = discipline.values[next].median;
    const double high = std::max(own, others);
    const double low = std::min(own, others);
    if (low <= 0) return {};
    const std::string& name = measured[next]->model;
    return better == Better::higher
               ? ", " + significant(high / low) + " times the next, " + name
               : "; the next, " + name + ", takes " + significant(high / low) + " times as much";
}

std::string sentence(const std::string& what, const Discipline& discipline, const Measured& measured,
                     Better better, const ValueText& text) {
    const auto& best = discipline.best;
    if (best.size() == 1)
        return what + ": " + measured[best[0]]->model + ", " + text(discipline.values[best[0]].median) +
               alone(discipline, measured, better) + ".";
    if (best.size() == measured.size())
        return what + ": no " + discipline.noun + " is told apart from the others.";
    const std::string first = text(discipline.values[best.front()].median);
    const std::string last = text(discipline.values[best.back()].median);
    return what + ": " + few(names_of(best, measured)) + ", not told apart (" + first +
           (first == last ? "" : " to " + last) + ").";
}

const Measurement* find(const Measured& measured, const std::string& name) {
    for (const Measurement* m : measured)
        if (m->model == name) return m;
    return nullptr;
}

/// What a connection for each question costs beside one that is kept.
std::string set_up_cost(const Measured& measured, const std::string& protocol) {
    const Measurement* const each = find(measured, protocol + "-each");
    const Measurement* const kept = find(measured, protocol + "-kept");
    if (each == nullptr || kept == nullptr) return {};
    const auto more = [&](const Spread& of_each, const Spread& of_kept) {
        return duration(std::max(0.0, of_each.median - of_kept.median));
    };
    return "A connection for each question, " + each->model + ", costs the server " +
           more(each->over(&Run::cpu_us), kept->over(&Run::cpu_us)) + " more CPU time than " + kept->model +
           ", and the client waits " +
           more(each->latency(&LatencySummary::p50_us), kept->latency(&LatencySummary::p50_us)) +
           " longer (p50).";
}

void add(std::string sentence, std::vector<std::string>& sentences) {
    if (!sentence.empty()) sentences.push_back(std::move(sentence));
}

std::string keeping_up(const Measured& measured, double rate) {
    constexpr double enough = 0.99;
    std::vector<std::string> late;
    for (const Measurement* m : measured)
        if (m->over(&Run::requests_per_s).median < rate * enough) late.push_back(m->model);
    const std::string due = whole(rate) + " requests a second";
    if (late.empty()) return "All kept up with " + due + ".";
    return "Not kept up with " + due + ": " + few(late) + ".";
}

/// How often each model is among the best where some are told from others, most often first.
std::string most_often(const Comparison& comparison, const char* what, Discipline Contest::*discipline) {
    std::map<std::string, int> wins;
    int contests = 0;
    for (const WorkloadResult& result : comparison.workloads) {
        const Measured measured = result.measured();
        const Contest contest = judge(result, comparison.machine);
        const std::vector<std::size_t>& best = (contest.*discipline).best;
        if (best.size() == measured.size()) continue;
        ++contests;
        for (const std::string& name : names_of(best, measured))
            ++wins[name];
    }
    if (contests == 0) return {};
    const int most = std::max_element(wins.begin(), wins.end(), [](const auto& a, const auto& b) {
                         return a.second < b.second;
                     })->second;
    std::vector<std::string> names;
    for (const auto& [name, count] : wins)
        if (count == most) names.push_back(name);
    return std::string{what} + " " + few(names) + " (" + std::to_string(most) + " of " +
           std::to_string(contests) + ")";
}

/// Of the workload during which other programs used most.
std::string worst_disturbance(const Comparison& comparison) {
    const auto worst =
        std::max_element(comparison.workloads.begin(), comparison.workloads.end(),
                         [&](const WorkloadResult& a, const WorkloadResult& b) {
                             return a.others_share(comparison.machine) < b.others_share(comparison.machine);
                         });
    const std::string sentence = disturbance_of(*worst, comparison.machine);
    return sentence.empty() ? "" : "Under " + worst->workload.name + ": " + sentence;
}

}  // namespace

std::string disturbance_of(const WorkloadResult& result, const Machine& machine) {
    constexpr double little = 0.15;
    const double share = result.others_share(machine);
    if (share <= little) return {};
    return "Other programs used up to " + percent(share) + " of the machine meanwhile: " +
           (share > others_share_max
                ? "above " + percent(others_share_max) + " nothing is ranked. Repeat this"
                : "repeat this") +
           " when it is quiet.";
}

std::vector<std::string> verdict_on(const WorkloadResult& result, const Machine& machine) {
    const Measured measured = result.measured();
    if (measured.empty()) return {std::string{"No "} + noun_of(result.workload) + " was measured."};
    if (measured.size() == 1) return {"Only " + measured[0]->model + " was measured: nobody is compared."};
    const std::string disturbance = disturbance_of(result, machine);
    if (result.others_share(machine) > others_share_max) return {disturbance};
    if (!repeated(result))
        return {"Nothing is ranked: of a " + std::string{noun_of(result.workload)} +
                " that ran once nobody knows how much of its number is chance."};
    const Contest contest = judge(result, machine);
    const Workload& workload = result.workload;
    const std::string unit = unit_of(workload);
    std::vector<std::string> sentences;
    if (workload.rate > 0)
        sentences.push_back(keeping_up(measured, workload.rate));
    else
        sentences.push_back(
            sentence("Most " + unit + "s a second", contest.throughput, measured, Better::higher, whole));
    sentences.push_back(sentence("Shortest tail (p99)", contest.tail, measured, Better::lower, duration));
    sentences.push_back(sentence("Least CPU", contest.cpu, measured, Better::lower,
                                 [&](double us) { return significant(us) + " µs a " + unit; }));
    sentences.push_back(sentence("Least memory", contest.memory, measured, Better::lower,
                                 [](double kb) { return significant(kb / 1024) + " MiB"; }));
    if (compares_transports(workload))
        for (const char* protocol : {"tcp", "unix"})
            add(set_up_cost(measured, protocol), sentences);
    if (!disturbance.empty()) sentences.push_back(disturbance);
    return sentences;
}

std::string verdict_on(const Comparison& comparison) {
    if (comparison.workloads.empty()) return "Nothing was measured.";
    if (comparison.workloads.size() == 1) {
        const WorkloadResult& result = comparison.workloads.front();
        const std::vector<std::string> all = verdict_on(result, comparison.machine);
        if (all.size() < 2) return all.front();
        const std::string disturbance = disturbance_of(result, comparison.machine);
        return all[0] + " " + all[1] + (disturbance.empty() ? "" : " " + disturbance);
    }
    const std::string disturbance = worst_disturbance(comparison);
    std::vector<std::string> parts;
    for (const std::string& part : {most_often(comparison, "in throughput", &Contest::throughput),
                                    most_often(comparison, "in the tail of latency", &Contest::tail),
                                    most_often(comparison, "in CPU time", &Contest::cpu)})
        if (!part.empty()) parts.push_back(part);
    if (parts.empty())
        return disturbance.empty() ? "The runs overlap so much that no model is told from the others."
                                   : disturbance;
    return "Most often among the best of a workload: " + enumerate(parts) +
           ". Models whose runs overlap with the best's count as best too." +
           (disturbance.empty() ? "" : " " + disturbance);
}

}  // namespace bullpen
