#include "servers/bench/report/plot_latency.hpp"

#include <algorithm>
#include <cmath>

#include "servers/bench/report/plot_scale.hpp"
#include "servers/bench/text/number_text.hpp"

namespace bullpen {
namespace {

struct Curve {
    std::string name;
    std::string summary;  ///< Its percentiles, shown on hovering and to screen readers.
    std::vector<LatencyPoint> points;
    std::size_t number = 0;  ///< Its colour and dashes.
};

/// How large the drawing is, in the units of its text.
struct Canvas {
    const char* style;
    double width;
    double height;
    double left = 52;
    double right = 130;
    double top = 12;
    double bottom = 40;

    [[nodiscard]] double plot_width() const { return width - left - right; }
    [[nodiscard]] double plot_height() const { return height - top - bottom; }
};

struct Axes {
    LogScale latency;
    double tail = 3;  ///< Up to 1 - 10^-tail.
};

constexpr double shortest_us = 1;

/// The last point that may stand for itself: above it are fewer than ten requests of a run.
double tail_of(const WorkloadResult& result) {
    double requests = 0;
    for (const Measurement* m : result.measured())
        for (const Run& run : m->runs)
            requests = std::max(requests, static_cast<double>(run.requests));
    return std::clamp(std::floor(std::log10(std::max(1.0, requests / 10))), 1.0, 4.0);
}

std::vector<Curve> curves_of(const WorkloadResult& result, double tail) {
    std::vector<Curve> curves;
    const auto measured = result.measured();
    for (std::size_t i = 0; i < measured.size(); ++i) {
        const Measurement& m = *measured[i];
        Curve curve{.name = m.model, .summary = m.model + ": ", .points = {}, .number = i};
        for (LatencyPoint point : m.distribution()) {
            point.us = std::max(point.us, shortest_us);
            constexpr double rounding = 1e-6;
            if (tail_scale(point.quantile) <= tail + rounding && point.quantile < 1)
                curve.points.push_back(point);
        }
        curve.summary += "p50 " + duration(m.latency(&LatencySummary::p50_us).median) + ", p90 " +
                         duration(m.latency(&LatencySummary::p90_us).median) + ", p99 " +
                         duration(m.latency(&LatencySummary::p99_us).median) + ", p99.9 " +
                         duration(m.latency(&LatencySummary::p999_us).median) + ", longest " +
                         duration(m.latency(&LatencySummary::max_us).median);
        curves.push_back(std::move(curve));
    }
    return curves;
}

Axes axes_of(const std::vector<Curve>& curves, double tail) {
    double least = 1e12;
    double greatest = shortest_us;
    for (const Curve& curve : curves) {
        for (const LatencyPoint& point : curve.points) {
            if (point.quantile >= 0.01) least = std::min(least, point.us);
            greatest = std::max(greatest, point.us);
        }
    }
    return {.latency = log_scale(std::min(least, greatest), greatest), .tail = tail};
}

std::string tick_text(double us) {
    if (us >= 1e6) return coordinate(us / 1e6) + " s";
    if (us >= 1e3) return coordinate(us / 1e3) + " ms";
    return coordinate(us) + " µs";
}

double x_of(double quantile, const Axes& axes, const Canvas& canvas) {
    return canvas.left + std::min(1.0, tail_scale(quantile) / axes.tail) * canvas.plot_width();
}

double y_of(double us, const Axes& axes, const Canvas& canvas) {
    return canvas.top + (1 - axes.latency.at(us)) * canvas.plot_height();
}

void draw_axes(Html& html, const Axes& axes, const Canvas& canvas) {
    const double right = canvas.width - canvas.right;
    const double floor = canvas.height - canvas.bottom;
    for (const double tick : axes.latency.ticks) {
        const std::string y = coordinate(y_of(tick, axes, canvas));
        html.empty("line", {{"class", "grid"},
                            {"x1", coordinate(canvas.left)},
                            {"x2", coordinate(right)},
                            {"y1", y},
                            {"y2", y}});
        html.element("text",
                     {{"class", "tick"},
                      {"x", coordinate(canvas.left - 6)},
                      {"y", y},
                      {"dy", "0.35em"},
                      {"text-anchor", "end"}},
                     tick_text(tick));
    }
    const std::vector<std::pair<double, std::string>> quantiles = {
        {0, "0 %"}, {0.5, "50 %"}, {0.9, "90 %"}, {0.99, "99 %"}, {0.999, "99.9 %"}, {0.9999, "99.99 %"}};
    constexpr double label_width = 40;
    double free_from = 0;
    for (const auto& [quantile, text] : quantiles) {
        if (tail_scale(quantile) > axes.tail + 1e-6) break;
        const double middle = x_of(quantile, axes, canvas);
        const std::string x = coordinate(middle);
        html.empty("line", {{"class", "grid"},
                            {"x1", x},
                            {"x2", x},
                            {"y1", coordinate(canvas.top)},
                            {"y2", coordinate(floor)}});
        if (middle < free_from) continue;
        free_from = middle + label_width;
        html.element("text",
                     {{"class", "tick"}, {"x", x}, {"y", coordinate(floor + 17)}, {"text-anchor", "middle"}},
                     text);
    }
    html.element("text",
                 {{"class", "tick"},
                  {"x", coordinate(canvas.left + canvas.plot_width() / 2)},
                  {"y", coordinate(floor + 34)},
                  {"text-anchor", "middle"}},
                 "of the requests took no longer than this");
}

std::string points_of(const Curve& curve, const Axes& axes, const Canvas& canvas) {
    std::string points;
    for (const LatencyPoint& point : curve.points)
        points += (points.empty() ? "" : " ") + coordinate(x_of(point.quantile, axes, canvas)) + "," +
                  coordinate(y_of(point.us, axes, canvas));
    return points;
}

void draw_curves(Html& html, const std::vector<Curve>& curves, const Axes& axes, const Canvas& canvas) {
    constexpr std::size_t colours = 7;
    constexpr double label_height = 15;
    std::vector<double> ends;
    for (const Curve& curve : curves)
        ends.push_back(y_of(curve.points.empty() ? shortest_us : curve.points.back().us, axes, canvas));
    const std::vector<double> labels =
        spread_labels(ends, label_height, canvas.top - label_height / 2, canvas.height);
    const double right = canvas.width - canvas.right;
    html.open("g", {{"class", "curves"}});
    for (std::size_t i = 0; i < curves.size(); ++i) {
        const Curve& curve = curves[i];
        if (curve.points.empty()) continue;
        html.open("g", {{"class", "curve c" + std::to_string(curve.number % colours) + " d" +
                                      std::to_string(curve.number / colours % 3)},
                        {"data-model", curve.name}});
        html.element("title", {}, curve.summary);
        const std::string points = points_of(curve, axes, canvas);
        html.empty("polyline", {{"class", "mark"}, {"points", points}});
        html.empty("polyline", {{"class", "reach"}, {"points", points}});
        const std::string leader = coordinate(x_of(curve.points.back().quantile, axes, canvas)) + "," +
                                   coordinate(ends[i]) + " " + coordinate(right + 4) + "," +
                                   coordinate(ends[i]) + " " + coordinate(right + 14) + "," +
                                   coordinate(labels[i]);
        html.empty("polyline", {{"class", "leader"}, {"points", leader}});
        html.element("text",
                     {{"class", "label"},
                      {"x", coordinate(right + 17)},
                      {"y", coordinate(labels[i])},
                      {"dy", "0.35em"}},
                     curve.name);
        html.close();
    }
    html.close();
}

void draw(Html& html, const std::vector<Curve>& curves, const Axes& axes, const Canvas& canvas,
          const std::string& title) {
    html.open("svg", {{"class", canvas.style},
                      {"role", "img"},
                      {"aria-label", title},
                      {"viewBox", "0 0 " + coordinate(canvas.width) + " " + coordinate(canvas.height)}});
    std::string description;
    for (const Curve& curve : curves)
        description += curve.summary + ". ";
    html.element("desc", {}, description);
    draw_axes(html, axes, canvas);
    draw_curves(html, curves, axes, canvas);
    html.close();
}

}  // namespace

void plot_latency(Html& html, const WorkloadResult& result) {
    const double tail = tail_of(result);
    const std::vector<Curve> curves = curves_of(result, tail);
    const Axes axes = axes_of(curves, tail);
    const std::string which = result.workload.rare_share > 0 ? " of the fast requests" : "";
    html.open("figure", {{"class", "latency"}});
    html.open("figcaption").element("strong", {}, "Latency" + which);
    html.text(
        " the lower the better; the right half is the slowest tenth of the requests. The order of the names "
        "is "
        "that of the lines' ends.");
    html.close();
    const std::string title = "Latency" + which + " by quantile, a line for each model";
    const double rows = static_cast<double>(curves.size()) * 15;
    draw(html, curves, axes,
         {.style = "wide", .width = 920, .height = std::max(400.0, rows + 40), .right = 150}, title);
    draw(html, curves, axes,
         {.style = "narrow", .width = 340, .height = std::max(330.0, rows + 40), .left = 46, .right = 124},
         title);
    html.close();
}

}  // namespace bullpen
