#include "servers/bench/compare/comparison.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace bullpen {

double DatagramCounts::loss() const noexcept {
    if (sent == 0) return 0;
    return static_cast<double>(std::max<std::int64_t>(0, sent - answers)) / static_cast<double>(sent);
}

std::int64_t Run::failed() const noexcept {
    return std::accumulate(errors.begin(), errors.end(), std::int64_t{0},
                           [](std::int64_t sum, const ErrorCount& error) { return sum + error.count; });
}

double Run::requests_per_s() const noexcept {
    return wall_s > 0 ? static_cast<double>(requests) / wall_s : 0;
}

double Run::connections_per_s() const noexcept {
    return wall_s > 0 ? static_cast<double>(connections - failed()) / wall_s : 0;
}

double Run::client_share() const noexcept {
    return wall_s > 0 ? client_cpu_s / wall_s : 0;
}

double Run::others_share(int cpus) const noexcept {
    if (wall_s <= 0 || cpus <= 0) return 0;
    const double ours_s = client_cpu_s + cpu_us() * static_cast<double>(requests) / 1e6;
    return std::max(0.0, machine_busy - ours_s / (wall_s * cpus));
}

double Run::per_request(double with_load, double without) const noexcept {
    const std::int64_t served = requests + other_requests;
    return served > 0 ? std::max(0.0, with_load - without) / static_cast<double>(served) : 0;
}

double Run::user_us() const noexcept {
    return per_request(server.user_s, start_stop.user_s) * 1e6;
}

double Run::system_us() const noexcept {
    return per_request(server.system_s, start_stop.system_s) * 1e6;
}

double Run::voluntary_switches() const noexcept {
    return per_request(static_cast<double>(server.voluntary_switches),
                       static_cast<double>(start_stop.voluntary_switches));
}

double Run::involuntary_switches() const noexcept {
    return per_request(static_cast<double>(server.involuntary_switches),
                       static_cast<double>(start_stop.involuntary_switches));
}

double Run::tree_kb() const noexcept {
    return static_cast<double>(memory.master_kb + memory.workers_kb);
}

double Run::worker_kb() const noexcept {
    return memory.workers > 0 ? static_cast<double>(memory.workers_kb) / static_cast<double>(memory.workers)
                              : 0;
}

Spread Measurement::over(const std::function<double(const Run&)>& number) const {
    std::vector<double> values;
    for (const Run& run : runs)
        values.push_back(number(run));
    return spread_of(std::move(values));
}

CpuParts Measurement::cpu_parts() const {
    if (runs.empty()) return {};
    std::vector<const Run*> order;
    for (const Run& run : runs)
        order.push_back(&run);
    std::sort(order.begin(), order.end(),
              [](const Run* a, const Run* b) { return a->cpu_us() < b->cpu_us(); });
    const Run& upper = *order[order.size() / 2];
    const Run& lower = *order[(order.size() - 1) / 2];
    return {.user_us = (lower.user_us() + upper.user_us()) / 2,
            .system_us = (lower.system_us() + upper.system_us()) / 2};
}

Spread Measurement::latency(double LatencySummary::*quantile) const {
    return over(
        [&](const Run& run) { return run.latency.empty() ? 0 : run.latency.front().summary.*quantile; });
}

DatagramCounts Measurement::datagrams() const noexcept {
    DatagramCounts sums;
    for (const Run& run : runs) {
        sums.sent += run.datagrams.sent;
        sums.retransmissions += run.datagrams.retransmissions;
        sums.answers += run.datagrams.answers;
        sums.dropped += run.datagrams.dropped;
    }
    return sums;
}

std::vector<std::uint64_t> Measurement::connections_by_slot() const {
    std::vector<std::uint64_t> sums;
    for (const Run& run : runs) {
        sums.resize(std::max(sums.size(), run.connections_by_slot.size()));
        for (std::size_t slot = 0; slot < run.connections_by_slot.size(); ++slot)
            sums[slot] += run.connections_by_slot[slot];
    }
    return sums;
}

/// The points of the run that has most; another run's value there is that of its nearest point not below.
std::vector<LatencyPoint> Measurement::distribution(std::size_t kind) const {
    std::vector<const std::vector<LatencyPoint>*> all;
    for (const Run& run : runs)
        if (kind < run.latency.size() && !run.latency[kind].distribution.empty())
            all.push_back(&run.latency[kind].distribution);
    if (all.empty()) return {};
    std::vector<LatencyPoint> medians = **std::max_element(
        all.begin(), all.end(), [](const auto* a, const auto* b) { return a->size() < b->size(); });
    for (LatencyPoint& point : medians) {
        std::vector<double> values;
        for (const auto* points : all) {
            const auto found = std::find_if(points->begin(), points->end(), [&](const LatencyPoint& other) {
                return other.quantile >= point.quantile;
            });
            values.push_back(found == points->end() ? points->back().us : found->us);
        }
        point.us = spread_of(std::move(values)).median;
    }
    return medians;
}

std::vector<const Measurement*> WorkloadResult::measured() const {
    std::vector<const Measurement*> found;
    for (const Measurement& measurement : measurements)
        if (measurement.measured()) found.push_back(&measurement);
    return found;
}

double WorkloadResult::others_share(const Machine& machine) const {
    double greatest = 0;
    for (const Measurement* m : measured())
        for (const Run& run : m->runs)
            greatest = std::max(greatest, run.others_share(machine.cpus));
    return greatest;
}

std::optional<double> WorkloadResult::iterative_cpu_us() const {
    for (const Measurement* measurement : measured())
        if (measurement->model == "iterative") return measurement->over(&Run::cpu_us).median;
    return std::nullopt;
}

}  // namespace bullpen
