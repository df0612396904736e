#include "servers/bench/compare/remarks.hpp"

#include <algorithm>
#include <map>

#include "core/enumerate.hpp"
#include "servers/bench/text/number_text.hpp"

namespace bullpen {
namespace {

std::string noun_of(const Comparison& comparison) {
    return comparison.workloads.empty() ? "model" : bullpen::noun_of(comparison.workloads.front().workload);
}

std::string counted(std::int64_t count, const char* noun) {
    return grouped(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string connections_text(std::int64_t count) {
    return counted(count, "connection");
}

std::string errors_by_name(const Measurement& m) {
    std::map<std::string, std::int64_t> counts;
    for (const Run& run : m.runs)
        for (const ErrorCount& error : run.errors)
            counts[error.name] += error.count;
    std::vector<std::string> kinds;
    for (const auto& [name, count] : counts)
        kinds.push_back(grouped(count) + " " + name);
    return enumerate(kinds);
}

void remark_on(const Measurement& m, const Workload& workload, std::vector<std::string>& all) {
    const char* const begun = sends_datagrams(workload) ? "datagram" : "connection";
    std::int64_t failed = 0;
    std::int64_t connections = 0;
    std::int64_t reconnects = 0;
    std::uint64_t lost = 0;
    std::int64_t unaccounted = 0;
    int cut_short = 0;
    for (const Run& run : m.runs) {
        failed += run.failed();
        connections += run.connections;
        reconnects += run.reconnects;
        lost += run.lost;
        unaccounted = run.unaccounted != 0 ? run.unaccounted : unaccounted;
        cut_short += run.cut_short ? 1 : 0;
    }
    if (failed > 0)
        all.push_back(m.model + ": " + grouped(failed) + " of " + counted(connections, begun) +
                      " failed: " + errors_by_name(m) + ".");
    if (cut_short > 0 && workload.connections > 0)
        all.push_back(m.model + " was stopped by the time limit in " + std::to_string(cut_short) + " of " +
                      std::to_string(m.runs.size()) + " runs.");
    if (reconnects > 0)
        all.push_back(m.model + " closed " + connections_text(reconnects) +
                      " between two requests; the client went on with new ones.");
    if (lost > 0)
        all.push_back(m.model + " lost " + counted(static_cast<std::int64_t>(lost), begun) +
                      " with workers that died.");
    if (unaccounted != 0)
        all.push_back(m.model + ": " + std::to_string(unaccounted) + " " + begun +
                      "s are missing in its scoreboard, which is a bug in Bullpen.");
}

/// Who can't keep up gets what it can serve; a latency without bound follows.
void remark_on_rate(const WorkloadResult& result, std::vector<std::string>& all) {
    const double rate = result.workload.rate;
    constexpr double enough = 0.99;
    for (const Measurement* m : result.measured()) {
        const double reached = m->over(&Run::requests_per_s).median;
        if (rate > 0 && reached < rate * enough)
            all.push_back(m->model + " answered " + whole(reached) + " of " + whole(rate) +
                          " requests a second: those that wait are part of its latency.");
    }
}

/// Whether the numbers are the servers' or the client's own.
void judge_client(const WorkloadResult& result, int cpus, std::vector<std::string>& all) {
    std::vector<std::string> limiting;
    double client = 0;
    double busiest = 0;
    for (const Measurement* m : result.measured()) {
        const double share = m->over(&Run::client_share).median;
        client = std::max(client, share);
        if (share > client_share_max) limiting.push_back(m->model + " (" + percent(share) + ")");
        for (const Run& run : m->runs)
            busiest = std::max(busiest, run.machine_busy);
    }
    if (!limiting.empty())
        all.push_back("The client was the bottleneck with " + enumerate(limiting) +
                      " of one CPU, and it has one thread: these " +
                      std::string{bullpen::noun_of(result.workload)} + "s can do more than is shown.");
    else if (client > 0)
        all.push_back("The client used at most " + percent(client) +
                      " of one CPU: it was not the bottleneck.");
    constexpr double all_busy = 0.9;
    if (busiest > all_busy)
        all.push_back("The machine was up to " + percent(busiest) +
                      " busy, and client and servers shared its " +
                      (cpus == 1 ? "CPU" : grouped(cpus) + " CPUs") +
                      ": a client elsewhere would see more per second. CPU per " + unit_of(result.workload) +
                      " depends little on that.");
}

void remark_on_rounds(const WorkloadResult& result, const Comparison& comparison,
                      std::vector<std::string>& all) {
    if (!comparison.interrupted) return;
    std::vector<std::string> missing;
    bool fewer = false;
    for (const Measurement& m : result.measurements) {
        if (m.runs.empty() && m.failure.empty()) missing.push_back(m.model);
        fewer = fewer || static_cast<int>(m.runs.size()) < comparison.repeat;
    }
    if (!missing.empty())
        all.push_back("Interrupted: " + enumerate(missing) + " not measured.");
    else if (fewer)
        all.push_back("Interrupted: not every model had all its " + std::to_string(comparison.repeat) +
                      " runs.");
}

}  // namespace

std::string headline(const Comparison& comparison) {
    const Machine& machine = comparison.machine;
    const std::string noun =
        comparison.workloads.empty() ? "model" : noun_of(comparison.workloads[0].workload);
    std::string text = comparison.began.substr(0, comparison.began.find('T')) + ", bullpen " +
                       comparison.version + ", " + machine.kernel + ", " + grouped(machine.cpus) +
                       (machine.cpus == 1 ? " CPU" : " CPUs");
    if (!machine.processor.empty()) text += " (" + machine.processor + ")";
    return text + "; pools of " + grouped(comparison.workers) + " workers; " +
           (comparison.repeat == 1 ? "one run of each " + noun + "."
                                   : grouped(comparison.repeat) + " runs of each " + noun + ", in turn.");
}

std::vector<std::string> remarks(const WorkloadResult& result, const Comparison& comparison) {
    std::vector<std::string> all;
    for (const Measurement& m : result.measurements) {
        if (!m.failure.empty()) all.push_back(m.model + ": not measured: " + m.failure + ".");
        remark_on(m, result.workload, all);
    }
    for (const LeftOut& left_out : result.left_out)
        all.push_back(left_out.model + ": left out: " + left_out.reason);
    remark_on_rate(result, all);
    if (result.workload.requests_per_connection > 1 && !compares_transports(result.workload))
        all.push_back(
            "A connection's first request waits until a worker is free for the connection, as long as others "
            "keep theirs: the latencies contain that.");
    if (result.workload.rare_share > 0)
        all.push_back("Latency is that of the fast requests; requests a second are all.");
    if (sends_datagrams(result.workload) || compares_transports(result.workload))
        all.push_back(
            "A datagram without an answer is sent again, after a time that follows the round trip (UNP "
            "22.5): "
            "latency counts from the first time. Memory of a server of datagrams is measured at rest.");
    judge_client(result, comparison.machine.cpus, all);
    remark_on_rounds(result, comparison, all);
    return all;
}

std::vector<std::string> reading_help(const Comparison& comparison) {
    const std::string noun = noun_of(comparison);
    std::vector<std::string> help = {
        "Numbers are the medians of the runs, with the least and the greatest run beside them. One " + noun +
            " counts as better than another only if each of its runs was better than any of the other's.",
        "CPU is user and system time of the master and all its workers, both of the median run, without what "
        "starting and stopping them costs; above iterative it is Stevens' process control CPU time (UNP "
        "figure 30.1).",
        "Switches are context switches of the same processes, voluntary (it waited) and involuntary (it was "
        "made to wait).",
        "Memory is the proportional set size (what processes share is divided among them) of the master and "
        "its workers while as many clients as the load had at once have sent the first byte of a request.",
        "Jain's index says how evenly connections fell on the workers: 1 if all had the same, 1/n if one of "
        "n had all (compare UNP figure 30.2).",
    };
    if (comparison.repeat < 2)
        help[0] = "Each " + noun + " ran once: how far a second run would lie from it nobody knows.";
    return help;
}

}  // namespace bullpen
