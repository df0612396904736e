#include "servers/bench/report/stevens.hpp"

#include <algorithm>

#include "servers/bench/compare/fairness.hpp"
#include "servers/bench/compare/remarks.hpp"
#include "servers/bench/compare/verdict.hpp"
#include "servers/bench/text/number_cell.hpp"
#include "servers/bench/text/number_text.hpp"
#include "servers/bench/text/text_table.hpp"

namespace bullpen {
namespace {

constexpr std::int64_t connections = 5'000;
constexpr int clients_at_once = 10;
constexpr std::uint64_t answer_bytes = 4'000;

const Measurement* find(const WorkloadResult& result, const std::string& model) {
    for (const Measurement* m : result.measured())
        if (m->model == model) return m;
    return nullptr;
}

/// The book's unit: of all 5,000 connections together.
double seconds_for_all(double us) {
    return us * static_cast<double>(connections) / 1e6;
}

std::string figure_1(const WorkloadResult& result, std::size_t width) {
    constexpr std::size_t number_width = 16;
    const std::optional<double> base = result.iterative_cpu_us();
    TextTable table{{"row", "design", "model", "seconds", "µs each", "in the runs"}};
    table.align_left(1);
    table.align_left(2);
    for (const StevensRow& row : stevens_rows()) {
        const Measurement* m = find(result, row.model);
        if (m == nullptr) continue;
        const Spread cpu = m->over(&Run::cpu_us);
        const double base_us = base.value_or(0);
        const Spread added{
            .median = cpu.median - base_us, .min = cpu.min - base_us, .max = cpu.max - base_us};
        const double seconds = seconds_for_all(added.median);
        table.add({std::to_string(row.number), row.design, row.model, number_cell(seconds, fixed(seconds, 3)),
                   number_cell(added.median, significant(added.median)),
                   range_cell(added, " to ", significant(added.min) + " to " + significant(added.max))});
    }
    std::string text = base
                           ? "Process control CPU time: the server's CPU above that of iterative (UNP figure "
                             "30.1), seconds for 5,000 clients and µs for each.\n"
                           : "CPU time of the server (iterative was not measured, so nothing is subtracted), "
                             "seconds for 5,000 clients and µs for each.\n";
    text = wrap(text.substr(0, text.size() - 1), width, 0) + "\n" + table.text(width);
    if (base)
        text += "Iterative itself: " +
                fitting(fixed(seconds_for_all(*base), 3), seconds_for_all(*base), number_width) + " s, " +
                fitting(fixed(*base, 1), *base, number_width) + " µs a client.\n";
    return text;
}

std::string figure_2(const WorkloadResult& result, std::size_t width) {
    TextTable::Cells head = {"child"};
    std::vector<std::vector<std::uint64_t>> columns;
    for (const StevensRow& row : stevens_rows()) {
        const Measurement* m = find(result, row.model);
        if (m == nullptr || m->worker_per_client || row.number == 0) continue;
        head.push_back("row " + std::to_string(row.number));
        columns.push_back(m->connections_by_slot());
    }
    if (columns.empty()) return {};
    TextTable table{head};
    std::size_t children = 0;
    for (const auto& column : columns)
        children = std::max(children, column.size());
    for (std::size_t child = 0; child < children; ++child) {
        TextTable::Cells cells = {std::to_string(child)};
        for (const auto& column : columns)
            cells.push_back(child < column.size() ? count_cell(column[child]) : "");
        table.add(cells);
    }
    TextTable::Cells jain = {"Jain"};
    for (const auto& column : columns)
        jain.push_back(fixed(jain_index(column), 2));
    table.add(jain);
    return "\nClients of each child or thread, all runs and their warm-ups (UNP figure 30.2;\n"
           "Jain's index is 1 where all have the same):\n\n" +
           table.text(width);
}

}  // namespace

Workload stevens_workload() {
    return {
        .name = stevens_name,
        .service = "work",
        .path = "/bytes/" + std::to_string(answer_bytes),
        .answer_bytes = answer_bytes,
        .concurrency = clients_at_once,
        .connections = connections,
        .duration_s = 60,
    };
}

const std::vector<StevensRow>& stevens_rows() {
    static const std::vector<StevensRow> rows = {
        {0, "iterative", "iterative"},
        {1, "fork", "one fork per client"},
        {2, "prefork-accept", "prefork, children accept"},
        {3, "prefork-lock-file", "prefork, accept file-locked"},
        {4, "prefork-lock", "prefork, accept in a mutex"},
        {5, "prefork", "prefork, descriptors passed"},
        {6, "thread", "one thread per client"},
        {7, "prethread-accept", "prethreaded, threads accept"},
        {8, "prethread", "prethreaded, main accepts"},
    };
    return rows;
}

bool is_stevens(const Comparison& comparison) noexcept {
    return !comparison.workloads.empty() && comparison.workloads.front().workload.name == stevens_name;
}

std::string render_stevens(const Comparison& comparison, std::size_t width) {
    std::string text = wrap(headline(comparison), width, 0) + "\n";
    for (const WorkloadResult& result : comparison.workloads) {
        text += wrap(describe(result.workload) + ".", width, 0) + "\n";
        text += figure_1(result, width) + figure_2(result, width) + "\n";
        const std::string disturbance = disturbance_of(result, comparison.machine);
        if (!disturbance.empty()) text += wrap(disturbance, width, 0);
        for (const std::string& remark : remarks(result, comparison))
            text += wrap(remark, width, 0);
    }
    text += wrap(
        "In the book the threads of row 7 take a mutex around accept; ours call accept at once, because "
        "Linux wakes one of them only.",
        width, 0);
    return text;
}

}  // namespace bullpen
