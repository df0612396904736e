#include "servers/cli/comparison_table.hpp"

#include <algorithm>
#include <cmath>

#include "servers/cli/contest.hpp"
#include "servers/cli/fairness.hpp"
#include "servers/cli/number_text.hpp"
#include "servers/cli/remarks.hpp"
#include "servers/cli/text_table.hpp"
#include "servers/cli/verdict.hpp"

namespace bullpen {
namespace {

std::string in_ms(const Measurement& m, double LatencySummary::*quantile) {
    return significant(m.latency(quantile).median / 1000);
}

std::string speed(const WorkloadResult& result, const Contest& contest) {
    const bool several = result.workload.requests_per_connection > 1;
    TextTable table{{"", "", several ? "requests" : "connect.", "in the", "latency", "in", "ms", "", ""}};
    table.add({"model", "rank", "a second", "runs", "p50", "p90", "p99", "p99.9", "max"});
    const auto measured = result.measured();
    for (std::size_t i = 0; i < measured.size(); ++i) {
        const Measurement& m = *measured[i];
        const Spread& rate = contest.throughput.values[i];
        table.add({m.model, text_of(contest.throughput.ranks[i]), whole(rate.median), range(rate),
                   in_ms(m, &LatencySummary::p50_us), in_ms(m, &LatencySummary::p90_us),
                   in_ms(m, &LatencySummary::p99_us), in_ms(m, &LatencySummary::p999_us),
                   in_ms(m, &LatencySummary::max_us)});
    }
    return table.text();
}

/// Four columns.
std::string short_text(double count) {
    return fixed(count, count < 10 ? 2 : 1);
}

std::string mebibytes(double kb) {
    constexpr double kb_each = 1024;
    return fixed(kb / kb_each, kb < 100 * kb_each ? 1 : 0);
}

std::string resources(const WorkloadResult& result, const Contest& contest) {
    TextTable table{{"", "", "CPU µs", "in the", "", "", "above", "ctx.", "sw.", "PSS", "kB a"}};
    table.add({"model", "rank", std::string{"a "} + (*unit_of(result.workload) == 'c' ? "conn." : "request"),
               "runs", "user", "sys", "iter.", "vol.", "inv.", "MiB", "worker"});
    const std::optional<double> base = result.iterative_cpu_us();
    const auto measured = result.measured();
    for (std::size_t i = 0; i < measured.size(); ++i) {
        const Measurement& m = *measured[i];
        const Spread& cpu = contest.cpu.values[i];
        const double worker_kb = m.over(&Run::worker_kb).median;
        table.add({m.model, text_of(contest.cpu.ranks[i]), significant(cpu.median), fine_range(cpu),
                   significant(m.over(&Run::user_us).median), significant(m.over(&Run::system_us).median),
                   base ? fixed(cpu.median - *base, std::abs(cpu.median - *base) < 1000 ? 1 : 0) : "-",
                   short_text(m.over(&Run::voluntary_switches).median),
                   short_text(m.over(&Run::involuntary_switches).median),
                   mebibytes(m.over(&Run::tree_kb).median), worker_kb > 0 ? whole(worker_kb) : "-"});
    }
    return table.text();
}

/// A column for each worker, as high as its share of the greatest one.
std::string columns_of(const std::vector<std::uint64_t>& shares, std::size_t most) {
    static const std::vector<std::string> heights = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    if (shares.empty()) return {};
    const auto greatest = static_cast<double>(*std::max_element(shares.begin(), shares.end()));
    if (greatest <= 0 || shares.size() > most) return {};
    std::string text;
    for (const std::uint64_t share : shares) {
        const double part = static_cast<double>(share) / greatest * static_cast<double>(heights.size());
        const auto height = static_cast<std::size_t>(std::max(1.0, part + 0.5));
        text += heights[std::min(height, heights.size()) - 1];
    }
    return text;
}

std::string distribution(const WorkloadResult& result) {
    constexpr std::size_t columns_max = 24;
    TextTable table{{"connections of", "workers", "least", "most", "Jain", "worker by worker"}};
    table.align_left(5);
    for (const Measurement* m : result.measured()) {
        const std::vector<std::uint64_t> shares = m->connections_by_slot();
        if (shares.empty()) continue;
        if (m->worker_per_client) {
            table.add({m->model, "-", "-", "-", "-", "one for each connection"});
            continue;
        }
        const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
        table.add({m->model, std::to_string(shares.size()), grouped(static_cast<std::int64_t>(*least)),
                   grouped(static_cast<std::int64_t>(*most)), fixed(jain_index(shares), 2),
                   columns_of(shares, columns_max)});
    }
    return table.text();
}

std::string section(const WorkloadResult& result, const Comparison& comparison, std::size_t width) {
    std::string text = wrap(result.workload.name + ": " + describe(result.workload) + ".", width, 0) + "\n";
    if (!result.measured().empty()) {
        const Contest contest = judge(result);
        text +=
            speed(result, contest) + "\n" + resources(result, contest) + "\n" + distribution(result) + "\n";
        for (const std::string& sentence : verdict_on(result))
            text += wrap(sentence, width, 2);
        text += "\n";
    }
    for (const std::string& remark : remarks(result, comparison))
        text += wrap(remark, width, 2);
    return text + "\n";
}

}  // namespace

std::string render_table(const Comparison& comparison, std::size_t width) {
    std::string text = wrap(headline(comparison), width, 0) + "\n";
    for (const WorkloadResult& result : comparison.workloads)
        text += section(result, comparison, width);
    for (const std::string& help : reading_help(comparison))
        text += wrap(help, width, 2);
    return text;
}

}  // namespace bullpen
