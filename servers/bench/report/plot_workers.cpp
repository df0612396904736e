#include "servers/bench/report/plot_workers.hpp"

#include <algorithm>
#include <numeric>

#include "servers/bench/compare/fairness.hpp"
#include "servers/bench/report/plot_row.hpp"
#include "servers/bench/text/number_text.hpp"

namespace bullpen {
namespace {

using Shares = std::vector<std::uint64_t>;

RowText text_of(const Measurement& m, const Shares& shares, std::uint64_t all) {
    if (m.worker_per_client)
        return {.name = m.model, .value = "one each", .remark = grouped(static_cast<std::int64_t>(all))};
    const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
    return {
        .name = m.model,
        .value = "Jain " + fixed(jain_index(shares), 2),
        .remark = range({.min = static_cast<double>(*least), .max = static_cast<double>(*most)}),
    };
}

void draw_columns(Html& html, const Shares& shares, std::uint64_t all) {
    const auto workers = static_cast<double>(shares.size());
    const double greatest =
        std::max(1.0, static_cast<double>(*std::max_element(shares.begin(), shares.end())));
    constexpr double filled = 0.86;  // Of the room that a column has.
    for (std::size_t slot = 0; slot < shares.size(); ++slot) {
        const double height = static_cast<double>(shares[slot]) / greatest;
        html.empty("rect", {{"class", "mark plain"},
                            {"x", percent_coordinate(static_cast<double>(slot) / workers)},
                            {"y", percent_coordinate(1 - height)},
                            {"width", percent_coordinate(filled / workers)},
                            {"height", percent_coordinate(height)}});
    }
    if (shares.size() < 2) return;
    const std::string y = percent_coordinate(1 - static_cast<double>(all) / workers / greatest);
    html.empty("line", {{"class", "reference"}, {"x1", "0"}, {"x2", "100%"}, {"y1", y}, {"y2", y}});
}

}  // namespace

void plot_workers(Html& html, const WorkloadResult& result) {
    const std::string unit = sends_datagrams(result.workload) ? "datagram" : "connection";
    open_figure(html, "workers",
                (unit == "datagram" ? "Datagrams" : "Connections") + std::string{" of each worker"},
                "worker by worker, all runs; the line is an equal share (compare UNP figure 30.2)");
    for (const Measurement* m : result.measured()) {
        const Shares shares = m->connections_by_slot();
        if (shares.empty()) continue;
        const std::uint64_t all = std::accumulate(shares.begin(), shares.end(), std::uint64_t{0});
        const RowText text = text_of(*m, shares, all);
        open_row(html, text);
        html.empty("line", {{"class", "grid"}, {"x1", "0"}, {"x2", "100%"}, {"y1", "100%"}, {"y2", "100%"}});
        if (m->worker_per_client)
            html.element("text", {{"class", "mark note"}, {"x", "0"}, {"y", "60%"}},
                         "a worker for each " + unit);
        else
            draw_columns(html, shares, all);
        close_row(html, text);
    }
    html.close();
}

}  // namespace bullpen
