#include "servers/bench/report/plot_idle.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/contains.hpp"

using namespace bullpen;

namespace {

/// A thousand requests, of so many microseconds of CPU time each.
WorkloadResult beside(int idle, double select_us, double epoll_us) {
    constexpr double thousand = 1e-3;
    WorkloadResult result{.workload = {.name = "idle", .service = "work", .idle = idle}};
    const auto add = [&](const char* model, double us) {
        result.measurements.push_back(
            {.model = model, .runs = {{.requests = 1000, .server = {.user_s = us * thousand}}}});
    };
    add("select", select_us);
    add("epoll", epoll_us);
    return result;
}

std::string plot_of(std::vector<WorkloadResult> results) {
    Comparison comparison;
    comparison.workloads = std::move(results);
    Html html;
    plot_idle(html, comparison);
    return html.take();
}

std::size_t times(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at)
        ++count;
    return count;
}

}  // namespace

TEST_SUITE("report: idle connections") {
    TEST_CASE("a line for each model goes by its CPU time, from few to many whatever their order") {
        const std::string plot = plot_of({beside(100, 20, 10), beside(10, 10, 10), beside(1000, 200, 11)});
        CHECK(times(plot, "<polyline") == 2);
        CHECK(contains(plot, "select: 10 idle: 10.0 µs 100 idle: 20.0 µs 1,000 idle: 200 µs"));
        CHECK(contains(plot, "epoll: 10 idle: 10.0 µs 100 idle: 10.0 µs 1,000 idle: 11.0 µs"));
    }

    TEST_CASE("there is none where nothing can grow") {
        CHECK(plot_of({}).empty());
        CHECK(plot_of({beside(10, 1, 1)}).empty());
        CHECK(plot_of({beside(10, 1, 1), beside(0, 1, 1)}).empty());
    }
}
