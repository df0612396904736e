#include "servers/bench/report/plot_bars.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "servers/bench/report/plot_row.hpp"
#include "servers/bench/report/plot_scale.hpp"
#include "servers/bench/text/number_text.hpp"

namespace bullpen {
namespace {

struct Part {
    double value;
    std::string style;  ///< Its class.
};

struct Row {
    RowText text;
    std::vector<Part> parts;  ///< Side by side, from 0 on.
    Spread spread;            ///< Of their sum.
};

/// The best first; of equal ones the order of the models stays.
std::vector<std::size_t> by_median(const std::vector<Spread>& values, Better better) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        const double left = values[a].median;
        const double right = values[b].median;
        return better == Better::higher ? left > right : left < right;
    });
    return order;
}

void whisker(Html& html, const LinearScale& scale, const Spread& spread) {
    const std::string from = percent_coordinate(scale.at(spread.min));
    const std::string to = percent_coordinate(scale.at(spread.max));
    html.empty("line", {{"class", "whisker"}, {"x1", from}, {"x2", to}, {"y1", "50%"}, {"y2", "50%"}});
    for (const std::string& end : {from, to})
        html.empty("line", {{"class", "whisker"}, {"x1", end}, {"x2", end}, {"y1", "32%"}, {"y2", "68%"}});
}

void draw_row(Html& html, const Row& row, const LinearScale& scale, const double* reference) {
    open_row(html, row.text);
    for (const double tick : scale.ticks) {
        const std::string x = percent_coordinate(scale.at(tick));
        html.empty("line", {{"class", "grid"}, {"x1", x}, {"x2", x}, {"y1", "0"}, {"y2", "100%"}});
    }
    double begin = 0;
    for (const Part& part : row.parts) {
        const double from = scale.at(begin);
        begin += part.value;
        html.empty("rect", {{"class", "mark " + part.style},
                            {"x", percent_coordinate(from)},
                            {"y", "18%"},
                            {"width", percent_coordinate(scale.at(begin) - from)},
                            {"height", "64%"}});
    }
    if (row.spread.median > scale.top)
        html.element(
            "text",
            {{"class", "beyond"}, {"x", "99%"}, {"y", "50%"}, {"dy", ".36em"}, {"text-anchor", "end"}}, "»");
    else
        whisker(html, scale, row.spread);
    if (reference != nullptr) {
        const std::string x = percent_coordinate(scale.at(*reference));
        html.empty("line", {{"class", "reference"}, {"x1", x}, {"x2", x}, {"y1", "0"}, {"y2", "100%"}});
    }
    close_row(html, row.text);
}

void draw_axis(Html& html, const LinearScale& scale, const std::string& unit) {
    html.open("div", {{"class", "row axis"}, {"aria-hidden", "true"}});
    html.element("span", {{"class", "name"}}, "");
    html.open("div", {{"class", "ticks"}});
    const bool fine = scale.top < 10;
    for (const double tick : scale.ticks) {
        const bool last = tick == scale.ticks.back();
        html.open("span", {{"style", "left:" + percent_coordinate(scale.at(tick))}});
        std::string number = fine ? coordinate(tick) : whole(tick);
        if (scale.top >= 10'000) number = coordinate(tick / 1000) + (tick > 0 ? "k" : "");
        html.text(number);
        if (last) html.element("i", {}, " " + unit);
        html.close();
    }
    html.close();
    html.element("span", {{"class", "value"}}, "").close();
}

/// Where some are many times the middle one, the axis ends at the greatest of the others: else those could
/// not be told apart.
double axis_end(const std::vector<Row>& rows) {
    constexpr double many = 4;
    std::vector<double> medians;
    for (const Row& row : rows)
        medians.push_back(row.spread.median);
    const double limit = many * spread_of(medians).median;
    double greatest = 0;
    for (const Row& row : rows)
        if (row.spread.median <= limit)
            greatest = std::max({greatest, row.spread.median, std::min(row.spread.max, limit)});
    return greatest;
}

void draw(Html& html, const std::vector<Row>& rows, const std::string& unit, const std::string& ranks,
          const double* reference = nullptr) {
    const LinearScale scale = linear_scale(axis_end(rows));
    for (const Row& row : rows)
        draw_row(html, row, scale, reference);
    draw_axis(html, scale, unit);
    if (std::any_of(rows.begin(), rows.end(), [&](const Row& row) { return row.spread.median > scale.top; }))
        html.element("p", {{"class", "legend"}}, "» goes on beyond the axis");
    html.element("p", {{"class", "ranks"}}, ranks);
    html.close();
}

void legend(Html& html, const std::vector<std::pair<std::string, std::string>>& entries) {
    html.open("p", {{"class", "legend"}});
    for (const auto& [style, text] : entries) {
        html.open("span").element("i", {{"class", "swatch " + style}}, "");
        html.text(text).close();
    }
    html.close();
}

}  // namespace

void plot_throughput(Html& html, const WorkloadResult& result, const Contest& contest) {
    const std::string unit = std::string{unit_of(result.workload)} + "s a second";
    open_figure(html, "throughput", "Throughput", "in " + unit + ", the more the better");
    const auto measured = result.measured();
    std::vector<Row> rows;
    for (const std::size_t i : by_median(contest.throughput.values, Better::higher)) {
        const Spread& rate = contest.throughput.values[i];
        rows.push_back({.text = {.name = measured[i]->model,
                                 .rank = contest.throughput.rank_of(i),
                                 .value = whole(rate.median),
                                 .remark = range(rate)},
                        .parts = {{rate.median, "plain"}},
                        .spread = rate});
    }
    draw(html, rows, "a second", explain_ranks(contest.throughput, unit));
}

void plot_cpu(Html& html, const WorkloadResult& result, const Contest& contest) {
    const std::string unit = unit_of(result.workload);
    open_figure(html, "cpu", "CPU time",
                "in µs a " + unit + ", of the master and all its workers; the less the better");
    const std::optional<double> base = result.iterative_cpu_us();
    std::vector<std::pair<std::string, std::string>> entries = {{"user", "user"}, {"system", "system"}};
    if (base) entries.emplace_back("line", "iterative's; + is what a design adds to it");
    legend(html, entries);
    const auto measured = result.measured();
    std::vector<Row> rows;
    for (const std::size_t i : by_median(contest.cpu.values, Better::lower)) {
        const Spread& cpu = contest.cpu.values[i];
        const CpuParts parts = measured[i]->cpu_parts();
        const bool above = base && measured[i]->model != "iterative";
        const double more = cpu.median - base.value_or(0);
        rows.push_back({.text = {.name = measured[i]->model,
                                 .rank = contest.cpu.rank_of(i),
                                 .value = significant(cpu.median) + " µs",
                                 .remark = above ? (more < 0 ? "−" : "+") + significant(std::abs(more))
                                                 : fine_range(cpu)},
                        .parts = {{parts.user_us, "user"}, {parts.system_us, "system"}},
                        .spread = cpu});
    }
    draw(html, rows, "µs", explain_ranks(contest.cpu, "CPU time"), base ? &*base : nullptr);
}

void plot_memory(Html& html, const WorkloadResult& result, const Contest& contest) {
    open_figure(html, "memory", "Memory",
                "of the master and its workers with " + grouped(result.workload.concurrency) +
                    " clients connected, PSS in MiB, beside it kB a worker; the less the better");
    constexpr double kb = 1024;
    const auto measured = result.measured();
    std::vector<Row> rows;
    for (const std::size_t i : by_median(contest.memory.values, Better::lower)) {
        const Spread& tree = contest.memory.values[i];
        const double worker_kb = measured[i]->over(&Run::worker_kb).median;
        rows.push_back({.text = {.name = measured[i]->model,
                                 .rank = contest.memory.rank_of(i),
                                 .value = fixed(tree.median / kb, 1) + " MiB",
                                 .remark = worker_kb > 0 ? whole(worker_kb) + " kB" : "no workers"},
                        .parts = {{tree.median / kb, "plain"}},
                        .spread = {tree.median / kb, tree.min / kb, tree.max / kb}});
    }
    draw(html, rows, "MiB", explain_ranks(contest.memory, "memory"));
}

}  // namespace bullpen
