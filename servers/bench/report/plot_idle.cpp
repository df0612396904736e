#include "servers/bench/report/plot_idle.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "servers/bench/report/plot_scale.hpp"
#include "servers/bench/text/number_text.hpp"

namespace bullpen {
namespace {

constexpr double width = 920;
constexpr double height = 380;
constexpr double left = 60;
constexpr double right = width - 150;
constexpr double top = 12;
constexpr double floor_y = height - 44;

struct IdlePoint {
    int idle = 0;
    double cpu_us = 0;
};

struct IdleLine {
    std::string model;
    std::vector<IdlePoint> points = {};
};

struct IdleAxes {
    LogScale idle;
    LogScale cpu;

    [[nodiscard]] double x(double connections) const { return left + idle.at(connections) * (right - left); }
    [[nodiscard]] double y(double us) const { return top + (1 - cpu.at(us)) * (floor_y - top); }
};

std::vector<IdleLine> idle_lines(const Comparison& comparison) {
    std::vector<IdleLine> lines;
    for (const WorkloadResult& result : comparison.workloads) {
        if (result.workload.idle == 0) continue;
        for (const Measurement* m : result.measured()) {
            const auto is_it = [&](const IdleLine& line) { return line.model == m->model; };
            auto line = std::find_if(lines.begin(), lines.end(), is_it);
            if (line == lines.end()) line = lines.insert(lines.end(), IdleLine{.model = m->model});
            constexpr double least_us = 0.1;
            line->points.push_back({result.workload.idle, std::max(least_us, m->over(&Run::cpu_us).median)});
        }
    }
    const auto by_idle = [](IdlePoint a, IdlePoint b) { return a.idle < b.idle; };
    for (IdleLine& line : lines)
        std::sort(line.points.begin(), line.points.end(), by_idle);
    return lines;
}

IdleAxes idle_axes(const std::vector<IdleLine>& lines) {
    IdlePoint least = lines.front().points.front();
    IdlePoint most = least;
    for (const IdleLine& line : lines) {
        for (const IdlePoint point : line.points) {
            least = {std::min(least.idle, point.idle), std::min(least.cpu_us, point.cpu_us)};
            most = {std::max(most.idle, point.idle), std::max(most.cpu_us, point.cpu_us)};
        }
    }
    return {.idle = log_scale(least.idle, most.idle), .cpu = log_scale(least.cpu_us, most.cpu_us)};
}

void draw_tick(Html& html, double x, double y, const char* anchor, const std::string& text) {
    html.element("text",
                 {{"class", "tick"}, {"x", coordinate(x)}, {"y", coordinate(y)}, {"text-anchor", anchor}},
                 text);
}

void draw_grid(Html& html, double x1, double y1, double x2, double y2) {
    html.empty("line", {{"class", "grid"},
                        {"x1", coordinate(x1)},
                        {"y1", coordinate(y1)},
                        {"x2", coordinate(x2)},
                        {"y2", coordinate(y2)}});
}

void draw_idle_axes(Html& html, const IdleAxes& axes) {
    for (const double us : axes.cpu.ticks) {
        draw_grid(html, left, axes.y(us), right, axes.y(us));
        draw_tick(html, left - 6, axes.y(us) + 4, "end", significant(us) + " µs");
    }
    for (const double idle : axes.idle.ticks) {
        draw_grid(html, axes.x(idle), top, axes.x(idle), floor_y);
        draw_tick(html, axes.x(idle), floor_y + 17, "middle", grouped(static_cast<std::int64_t>(idle)));
    }
    draw_tick(html, (left + right) / 2, floor_y + 36, "middle", "idle connections");
}

void draw_line(Html& html, const IdleLine& line, const IdleAxes& axes, std::size_t number, double label) {
    constexpr std::size_t colours = 7;
    std::string points;
    std::string summary = line.model + ":";
    for (const IdlePoint point : line.points) {
        points += coordinate(axes.x(point.idle)) + "," + coordinate(axes.y(point.cpu_us)) + " ";
        summary += " " + grouped(point.idle) + " idle: " + significant(point.cpu_us) + " µs";
    }
    html.open("g", {{"class", "curve c" + std::to_string(number % colours) + " d" +
                                  std::to_string(number / colours % 3)},
                    {"data-model", line.model}});
    html.element("title", {}, summary);
    html.empty("polyline", {{"class", "mark"}, {"points", points}});
    html.element(
        "text",
        {{"class", "label"}, {"x", coordinate(right + 8)}, {"y", coordinate(label)}, {"dy", "0.35em"}},
        line.model);
    html.close();
}

}  // namespace

void plot_idle(Html& html, const Comparison& comparison) {
    const auto has_idle = [](const WorkloadResult& result) { return result.workload.idle > 0; };
    const std::vector<IdleLine> lines = idle_lines(comparison);
    if (std::count_if(comparison.workloads.begin(), comparison.workloads.end(), has_idle) < 2) return;
    if (lines.empty()) return;
    const IdleAxes axes = idle_axes(lines);
    std::vector<double> ends;
    for (const IdleLine& line : lines)
        ends.push_back(axes.y(line.points.back().cpu_us));
    constexpr double label_height = 15;
    const std::vector<double> labels = spread_labels(ends, label_height, top, height);
    html.open("figure", {{"class", "latency idle"}});
    html.open("figcaption").element("strong", {}, "CPU time of a request beside idle connections");
    html.text(
        " the flatter the better: what grows is the cost of watching them "
        "(compare TLPI, table 63-9).");
    html.close();
    html.open("svg", {{"role", "img"},
                      {"aria-label", "CPU time of a request by the number of idle connections"},
                      {"viewBox", "0 0 " + coordinate(width) + " " + coordinate(height)}});
    draw_idle_axes(html, axes);
    html.open("g", {{"class", "curves"}});
    for (std::size_t i = 0; i < lines.size(); ++i)
        draw_line(html, lines[i], axes, i, labels[i]);
    html.close().close().close();
}

}  // namespace bullpen
