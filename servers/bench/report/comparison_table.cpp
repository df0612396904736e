#include "servers/bench/report/comparison_table.hpp"

#include <algorithm>
#include <cmath>

#include "servers/bench/compare/contest.hpp"
#include "servers/bench/compare/fairness.hpp"
#include "servers/bench/compare/remarks.hpp"
#include "servers/bench/compare/verdict.hpp"
#include "servers/bench/report/full_buffer_text.hpp"
#include "servers/bench/text/number_cell.hpp"
#include "servers/bench/text/number_text.hpp"
#include "servers/bench/text/text_table.hpp"

namespace bullpen {
namespace {

using Cell = TextTable::Cell;

Cell significant_cell(double value) {
    return number_cell(value, significant(value));
}

Cell in_ms(const Measurement& m, double LatencySummary::*quantile) {
    return significant_cell(m.latency(quantile).median / 1000);
}

/// What is counted, in few columns.
std::string column_head(const Workload& workload) {
    if (sends_datagrams(workload)) return "datagr.";
    return std::string{unit_of(workload)} == "request" ? "requests" : "connect.";
}

std::string speed(const WorkloadResult& result, const Contest& contest, std::size_t width) {
    TextTable table{{"", "", column_head(result.workload), "in the", "latency", "in", "ms", "", ""}};
    table.add({noun_of(result.workload), "rank", "a second", "runs", "p50", "p90", "p99", "p99.9", "max"});
    const auto measured = result.measured();
    for (std::size_t i = 0; i < measured.size(); ++i) {
        const Measurement& m = *measured[i];
        const Spread& rate = contest.throughput.values[i];
        table.add({m.model, contest.throughput.rank_of(i), number_cell(rate.median, whole(rate.median)),
                   range_cell(rate, "–", range(rate)), in_ms(m, &LatencySummary::p50_us),
                   in_ms(m, &LatencySummary::p90_us), in_ms(m, &LatencySummary::p99_us),
                   in_ms(m, &LatencySummary::p999_us), in_ms(m, &LatencySummary::max_us)});
    }
    return table.text(width) +
           wrap(explain_ranks(contest.throughput, std::string{unit_of(result.workload)} + "s a second"),
                width, 2);
}

Cell short_cell(double count) {
    return number_cell(count, fixed(count, count < 10 ? 2 : 1));
}

Cell mebibytes(double kb) {
    constexpr double kb_each = 1024;
    return number_cell(kb / kb_each, fixed(kb / kb_each, kb < 100 * kb_each ? 1 : 0));
}

Cell above(double own_us, const std::optional<double>& base_us) {
    if (!base_us) return "-";
    const double more = own_us - *base_us;
    return number_cell(more, fixed(more, std::abs(more) < 1000 ? 1 : 0));
}

std::string short_unit(const Workload& workload) {
    if (sends_datagrams(workload)) return "datagr.";
    return std::string{unit_of(workload)} == "request" ? "request" : "conn.";
}

std::string resources(const WorkloadResult& result, const Contest& contest, std::size_t width) {
    TextTable table{{"", "", "CPU µs", "in the", "", "", "above", "ctx.", "sw.", "PSS", "kB a"}};
    table.add({noun_of(result.workload), "rank", "a " + short_unit(result.workload), "runs", "user", "sys",
               "iter.", "vol.", "inv.", "MiB", "worker"});
    const std::optional<double> base = result.iterative_cpu_us();
    const auto measured = result.measured();
    for (std::size_t i = 0; i < measured.size(); ++i) {
        const Measurement& m = *measured[i];
        const Spread& cpu = contest.cpu.values[i];
        const CpuParts parts = m.cpu_parts();
        const double worker_kb = m.over(&Run::worker_kb).median;
        table.add({m.model, contest.cpu.rank_of(i), significant_cell(cpu.median),
                   range_cell(cpu, "–", fine_range(cpu)), significant_cell(parts.user_us),
                   significant_cell(parts.system_us), above(cpu.median, base),
                   short_cell(m.over(&Run::voluntary_switches).median),
                   short_cell(m.over(&Run::involuntary_switches).median),
                   mebibytes(m.over(&Run::tree_kb).median),
                   worker_kb > 0 ? number_cell(worker_kb, whole(worker_kb)) : "-"});
    }
    return table.text(width) + wrap(explain_ranks(contest.cpu, "CPU time"), width, 2);
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

std::string distribution(const WorkloadResult& result, std::size_t width) {
    if (compares_transports(result.workload)) return {};  // Connections beside datagrams.
    constexpr std::size_t columns_max = 24;
    const bool datagrams = sends_datagrams(result.workload);
    TextTable table{{datagrams ? "datagrams of" : "connections of", "workers", "least", "most", "Jain",
                     "worker by worker"}};
    table.align_left(5);
    for (const Measurement* m : result.measured()) {
        const std::vector<std::uint64_t> shares = m->connections_by_slot();
        if (shares.empty()) continue;
        if (m->worker_per_client) {
            table.add({m->model, "-", "-", "-", "-",
                       datagrams ? "one for each datagram" : "one for each connection"});
            continue;
        }
        const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
        table.add({m->model, std::to_string(shares.size()), count_cell(*least), count_cell(*most),
                   fixed(jain_index(shares), 2), columns_of(shares, columns_max)});
    }
    return table.text(width) + "\n";
}

bool any_datagrams(const WorkloadResult& result) {
    const auto measured = result.measured();
    return std::any_of(measured.begin(), measured.end(),
                       [](const Measurement* m) { return m->datagrams().sent > 0; });
}

std::string loss_of(const DatagramCounts& counts) {
    constexpr int percents = 100;
    return fixed(counts.loss() * percents, 2) + " %";
}

/// What became of the datagrams of all runs together.
std::string datagrams(const WorkloadResult& result, std::size_t width) {
    if (!any_datagrams(result)) return {};
    TextTable table{{"datagrams to", "sent", "again", "without answer", "dropped by the kernel"}};
    for (const Measurement* m : result.measured()) {
        const DatagramCounts counts = m->datagrams();
        if (counts.sent == 0) continue;
        table.add({m->model, count_cell(static_cast<std::uint64_t>(counts.sent)),
                   count_cell(static_cast<std::uint64_t>(counts.retransmissions)), loss_of(counts),
                   count_cell(static_cast<std::uint64_t>(counts.dropped))});
    }
    return table.text(width) + "\n";
}

std::string full_buffers(const WorkloadResult& result, std::size_t width) {
    if (result.full_buffers.empty()) return {};
    TextTable table{
        {"messages", "taken", "received", "dropped", "no room", "a sender that waits", "3 + 5 bytes"}};
    for (const FullBuffer& found : result.full_buffers)
        table.add({found.transport, count_cell(static_cast<std::uint64_t>(found.sent)),
                   count_cell(static_cast<std::uint64_t>(found.received)),
                   count_cell(static_cast<std::uint64_t>(found.dropped)), no_room_text(found),
                   waiting_text(found), first_read_text(found)});
    return wrap(explain_full_buffers(), width, 2) + table.text(width) + "\n";
}

std::string section(const WorkloadResult& result, const Comparison& comparison, std::size_t width) {
    std::string text = wrap(result.workload.name + ": " + describe(result.workload) + ".", width, 0) + "\n";
    if (!result.measured().empty()) {
        const Contest contest = judge(result, comparison.machine);
        text += speed(result, contest, width) + "\n" + resources(result, contest, width) + "\n" +
                distribution(result, width) + datagrams(result, width) + full_buffers(result, width);
        for (const std::string& sentence : verdict_on(result, comparison.machine))
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
