#include "servers/cli/plot_rows.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "servers/cli/fairness.hpp"
#include "servers/cli/number_text.hpp"
#include "servers/cli/plot_scale.hpp"

namespace bullpen {
namespace {

struct Part {
    double value;
    std::string style;  ///< Its class.
};

struct Row {
    std::string name;
    std::string rank;
    std::vector<Part> parts;  ///< Side by side, from 0 on.
    Spread spread;            ///< Of their sum.
    std::string value;
    std::string remark;
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

void open_figure(Html& html, const std::string& kind, const std::string& title, const std::string& how) {
    html.open("figure", {{"class", "rows " + kind}});
    html.open("figcaption").element("strong", {}, title).text(" " + how).close();
}

void name_of_row(Html& html, const std::string& rank, const std::string& name) {
    html.open("span", {{"class", "name"}});
    if (!rank.empty())
        html.element("span", {{"class", "rank"}, {"title", "rank " + rank}}, rank);
    html.text(name).close();
}

void value_of_row(Html& html, const std::string& value, const std::string& remark) {
    html.open("span", {{"class", "value"}}).text(value);
    if (!remark.empty()) html.text(" ").element("small", {}, remark);
    html.close();
}

void whisker(Html& html, const LinearScale& scale, const Spread& spread) {
    const std::string from = percent_coordinate(scale.at(spread.min));
    const std::string to = percent_coordinate(scale.at(spread.max));
    html.empty("line", {{"class", "whisker"}, {"x1", from}, {"x2", to}, {"y1", "50%"}, {"y2", "50%"}});
    for (const std::string& end : {from, to})
        html.empty("line", {{"class", "whisker"}, {"x1", end}, {"x2", end}, {"y1", "32%"}, {"y2", "68%"}});
}

void draw_row(Html& html, const Row& row, const LinearScale& scale, const double* reference) {
    html.open("div", {{"class", "row"}});
    name_of_row(html, row.rank, row.name);
    html.open("svg", {{"role", "img"}, {"data-model", row.name},
                      {"aria-label", row.name + ": " + row.value + ", " + row.remark}});
    html.element("title", {}, row.name + ": " + row.value + ", " + row.remark);
    for (const double tick : scale.ticks) {
        const std::string x = percent_coordinate(scale.at(tick));
        html.empty("line", {{"class", "grid"}, {"x1", x}, {"x2", x}, {"y1", "0"}, {"y2", "100%"}});
    }
    double begin = 0;
    for (const Part& part : row.parts) {
        html.empty("rect", {{"class", "mark " + part.style},
                            {"x", percent_coordinate(scale.at(begin))},
                            {"y", "18%"},
                            {"width", percent_coordinate(scale.at(part.value))},
                            {"height", "64%"}});
        begin += part.value;
    }
    whisker(html, scale, row.spread);
    if (reference != nullptr) {
        const std::string x = percent_coordinate(scale.at(*reference));
        html.empty("line", {{"class", "reference"}, {"x1", x}, {"x2", x}, {"y1", "0"}, {"y2", "100%"}});
    }
    html.close();
    value_of_row(html, row.value, row.remark);
    html.close();
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

void draw(Html& html, const std::vector<Row>& rows, const std::string& unit,
          const double* reference = nullptr) {
    double greatest = 0;
    for (const Row& row : rows)
        greatest = std::max({greatest, row.spread.max, row.spread.median});
    const LinearScale scale = linear_scale(greatest);
    for (const Row& row : rows)
        draw_row(html, row, scale, reference);
    draw_axis(html, scale, unit);
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
        rows.push_back({.name = measured[i]->model,
                        .rank = text_of(contest.throughput.ranks[i]),
                        .parts = {{rate.median, "plain"}},
                        .spread = rate,
                        .value = whole(rate.median),
                        .remark = range(rate)});
    }
    draw(html, rows, "a second");
}

void plot_cpu(Html& html, const WorkloadResult& result, const Contest& contest) {
    const std::string unit = unit_of(result.workload);
    open_figure(html, "cpu", "CPU time", "in µs a " + unit + ", of the master and all its workers; the less the better");
    const std::optional<double> base = result.iterative_cpu_us();
    std::vector<std::pair<std::string, std::string>> entries = {{"user", "user"}, {"system", "system"}};
    if (base) entries.emplace_back("line", "what iterative takes: beyond it the design's own cost");
    legend(html, entries);
    const auto measured = result.measured();
    std::vector<Row> rows;
    for (const std::size_t i : by_median(contest.cpu.values, Better::lower)) {
        const Spread& cpu = contest.cpu.values[i];
        const double user = measured[i]->over(&Run::user_us).median;
        const double system = measured[i]->over(&Run::system_us).median;
        const bool above = base && measured[i]->model != "iterative";
        const double more = cpu.median - base.value_or(0);
        rows.push_back({.name = measured[i]->model,
                        .rank = text_of(contest.cpu.ranks[i]),
                        .parts = {{user, "user"}, {system, "system"}},
                        .spread = cpu,
                        .value = significant(cpu.median) + " µs",
                        .remark = above ? (more < 0 ? "−" : "+") + significant(std::abs(more)) + " on iterative"
                                        : fine_range(cpu)});
    }
    draw(html, rows, "µs", base ? &*base : nullptr);
}

void plot_memory(Html& html, const WorkloadResult& result, const Contest& contest) {
    open_figure(html, "memory", "Memory",
                "of the master and its workers with " + grouped(result.workload.concurrency) +
                    " clients connected, PSS in MiB; the less the better");
    constexpr double kb = 1024;
    const auto measured = result.measured();
    std::vector<Row> rows;
    for (const std::size_t i : by_median(contest.memory.values, Better::lower)) {
        const Spread& tree = contest.memory.values[i];
        const double worker_kb = measured[i]->over(&Run::worker_kb).median;
        rows.push_back({.name = measured[i]->model,
                        .rank = text_of(contest.memory.ranks[i]),
                        .parts = {{tree.median / kb, "plain"}},
                        .spread = {tree.median / kb, tree.min / kb, tree.max / kb},
                        .value = fixed(tree.median / kb, 1) + " MiB",
                        .remark = worker_kb > 0 ? whole(worker_kb) + " kB a worker" : "no workers"});
    }
    draw(html, rows, "MiB");
}

void plot_workers(Html& html, const WorkloadResult& result) {
    open_figure(html, "workers", "Connections of each worker",
                "worker by worker, all runs; the line is an equal share (compare UNP figure 30.2)");
    for (const Measurement* m : result.measured()) {
        const std::vector<std::uint64_t> shares = m->connections_by_slot();
        if (shares.empty()) continue;
        const std::uint64_t all = std::accumulate(shares.begin(), shares.end(), std::uint64_t{0});
        const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
        const bool own = m->worker_per_client;
        std::string value = own ? "one each" : "Jain " + fixed(jain_index(shares), 2);
        std::string remark = own ? grouped(static_cast<std::int64_t>(all))
                                 : range({.min = static_cast<double>(*least), .max = static_cast<double>(*most)});
        html.open("div", {{"class", "row"}});
        name_of_row(html, "", m->model);
        html.open("svg", {{"role", "img"}, {"data-model", m->model},
                          {"aria-label", m->model + ": " + value + ", " + remark}});
        html.element("title", {}, m->model + ": " + value + ", " + remark);
        html.empty("line", {{"class", "grid"}, {"x1", "0"}, {"x2", "100%"}, {"y1", "100%"}, {"y2", "100%"}});
        if (own) {
            html.element("text", {{"class", "mark note"}, {"x", "0"}, {"y", "60%"}}, "a worker for each connection");
        } else {
            const double step = 1.0 / static_cast<double>(shares.size());
            const double top = std::max(1.0, static_cast<double>(*most));
            for (std::size_t slot = 0; slot < shares.size(); ++slot) {
                const double height = static_cast<double>(shares[slot]) / top;
                html.empty("rect", {{"class", "mark plain"},
                                    {"x", percent_coordinate(static_cast<double>(slot) * step)},
                                    {"y", percent_coordinate(1 - height)},
                                    {"width", percent_coordinate(step * 0.86)},
                                    {"height", percent_coordinate(height)}});
            }
            const double equal = static_cast<double>(all) / static_cast<double>(shares.size()) / top;
            const std::string y = percent_coordinate(1 - equal);
            if (shares.size() > 1)
                html.empty("line", {{"class", "reference"}, {"x1", "0"}, {"x2", "100%"}, {"y1", y}, {"y2", y}});
        }
        html.close();
        value_of_row(html, value, remark);
        html.close();
    }
    html.close();
}

}  // namespace bullpen
