#include "servers/bench/report/report_tables.hpp"

#include <algorithm>

#include "core/enumerate.hpp"
#include "servers/bench/compare/fairness.hpp"
#include "servers/bench/report/full_buffer_text.hpp"
#include "servers/bench/text/number_text.hpp"

namespace bullpen {
namespace {

using Cells = std::vector<std::string>;

/// In a box of its own that scrolls, also by keys, where the page is narrower. On a small screen each line is
/// a block of its own, in which a cell is named by its data-head.
void open_table(Html& html, const std::string& kind, const std::string& caption, const Cells& head) {
    html.open("div", {{"class", "scroll"}, {"tabindex", "0"}, {"role", "region"}, {"aria-label", caption}});
    html.open("table", {{"class", kind}}).element("caption", {}, caption);
    html.open("thead").open("tr");
    for (const std::string& cell : head)
        html.element("th", {{"scope", "col"}}, cell);
    html.close().close().open("tbody");
}

void close_table(Html& html) {
    html.close().close().close();
}

void line(Html& html, const Cells& head, const Cells& cells) {
    html.open("tr").element("th", {{"scope", "row"}}, cells.front());
    for (std::size_t i = 1; i < cells.size(); ++i)
        html.element("td", {{"data-head", head[i]}}, cells[i]);
    html.close();
}

std::string names_of_best(const Discipline& discipline, const std::vector<const Measurement*>& measured) {
    if (!discipline.ranked) return "not ranked";
    if (discipline.best.size() == measured.size() && measured.size() > 1) return "not told apart";
    std::vector<std::string> names;
    for (const std::size_t place : discipline.best)
        names.push_back(measured[place]->model);
    return enumerate(names);
}

std::string connections_a_second(const Measurement& m) {
    return m.datagrams().sent > 0 ? "–" : whole(m.over(&Run::connections_per_s).median);
}

std::string failures_of(const Measurement& m) {
    std::int64_t failed = 0;
    for (const Run& run : m.runs)
        failed += run.failed();
    return grouped(failed);
}

}  // namespace

void glance_table(Html& html, const Comparison& comparison) {
    const Cells head = {"workload", "most a second", "shortest tail (p99)", "least CPU", "least memory"};
    open_table(html, "glance", "The best of each workload; several where their runs overlap", head);
    for (const WorkloadResult& result : comparison.workloads) {
        const auto measured = result.measured();
        const Contest contest = judge(result, comparison.machine);
        html.open("tr").open("th", {{"scope", "row"}});
        html.element("a", {{"href", "#" + result.workload.name}}, result.workload.name).close();
        std::size_t column = 1;
        for (const Discipline* discipline :
             {&contest.throughput, &contest.tail, &contest.cpu, &contest.memory})
            html.element("td", {{"data-head", head[column++]}}, names_of_best(*discipline, measured));
        html.close();
    }
    close_table(html);
}

void speed_table(Html& html, const WorkloadResult& result, const Contest& contest) {
    const auto measured = result.measured();
    const Cells head = {noun_of(result.workload),
                        "rank",
                        "requests/s",
                        "in the runs",
                        "connections/s",
                        "p50",
                        "p90",
                        "p99",
                        "in the runs",
                        "p99.9",
                        "max",
                        "failed"};
    open_table(html, "numbers speed", "Speed and latency (ms)", head);
    for (std::size_t i = 0; i < measured.size(); ++i) {
        const Measurement& m = *measured[i];
        const auto in_ms = [&](double LatencySummary::*quantile) {
            return significant(m.latency(quantile).median / 1000);
        };
        const Spread tail = m.latency(&LatencySummary::p99_us);
        line(html, head,
             {m.model, contest.throughput.rank_of(i), whole(contest.throughput.values[i].median),
              range(contest.throughput.values[i]), connections_a_second(m), in_ms(&LatencySummary::p50_us),
              in_ms(&LatencySummary::p90_us), in_ms(&LatencySummary::p99_us),
              fine_range({tail.median / 1000, tail.min / 1000, tail.max / 1000}),
              in_ms(&LatencySummary::p999_us), in_ms(&LatencySummary::max_us), failures_of(m)});
    }
    close_table(html);
    html.element("p", {{"class", "ranks"}},
                 explain_ranks(contest.throughput, std::string{unit_of(result.workload)} + "s a second"));
}

void resource_table(Html& html, const WorkloadResult& result, const Contest& contest) {
    const auto measured = result.measured();
    const std::optional<double> base = result.iterative_cpu_us();
    const std::string unit = unit_of(result.workload);
    const Cells head = {noun_of(result.workload),
                        "rank",
                        "CPU",
                        "in the runs",
                        "user",
                        "system",
                        "above iterative",
                        "switches, voluntary",
                        "involuntary",
                        "PSS, MiB",
                        "kB a worker",
                        "Jain",
                        "client’s CPU"};
    open_table(html, "numbers resources", "Resources, CPU in µs and context switches a " + unit, head);
    for (std::size_t i = 0; i < measured.size(); ++i) {
        const Measurement& m = *measured[i];
        const Spread& cpu = contest.cpu.values[i];
        const CpuParts parts = m.cpu_parts();
        const double worker_kb = m.over(&Run::worker_kb).median;
        line(html, head,
             {m.model, contest.cpu.rank_of(i), significant(cpu.median), fine_range(cpu),
              significant(parts.user_us), significant(parts.system_us),
              base ? significant(cpu.median - *base) : "–", fixed(m.over(&Run::voluntary_switches).median, 2),
              fixed(m.over(&Run::involuntary_switches).median, 2),
              fixed(m.over(&Run::tree_kb).median / 1024, 1), worker_kb > 0 ? whole(worker_kb) : "–",
              m.worker_per_client ? "–" : fixed(jain_index(m.connections_by_slot()), 2),
              percent(m.over(&Run::client_share).median)});
    }
    close_table(html);
    html.element("p", {{"class", "ranks"}}, explain_ranks(contest.cpu, "CPU time"));
}

void datagram_table(Html& html, const WorkloadResult& result) {
    const auto measured = result.measured();
    if (std::none_of(measured.begin(), measured.end(),
                     [](const Measurement* m) { return m->datagrams().sent > 0; }))
        return;
    const Cells head = {"model",   "sent",           "of them again",
                        "answers", "without answer", "dropped by the kernel"};
    open_table(html, "numbers datagrams", "Datagrams, all runs together", head);
    for (const Measurement* m : measured) {
        const DatagramCounts counts = m->datagrams();
        if (counts.sent == 0) continue;
        constexpr int percents = 100;
        line(html, head,
             {m->model, grouped(counts.sent), grouped(counts.retransmissions), grouped(counts.answers),
              fixed(counts.loss() * percents, 2) + " %", grouped(counts.dropped)});
    }
    close_table(html);
}

void full_buffer_table(Html& html, const WorkloadResult& result) {
    if (result.full_buffers.empty()) return;
    const Cells head = {"transport",           "taken",           "received", "dropped", "no room",
                        "a sender that waits", "3 + 5 bytes come"};
    html.element("h3", {}, "A full receive buffer");
    html.element("p", {}, explain_full_buffers());
    open_table(html, "numbers full-buffers", "Messages to one who doesn't read", head);
    for (const FullBuffer& found : result.full_buffers)
        line(html, head,
             {found.transport, grouped(found.sent), grouped(found.received), grouped(found.dropped),
              no_room_text(found), waiting_text(found), first_read_text(found)});
    close_table(html);
}

}  // namespace bullpen
