#include "servers/cli/comparison_table.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

using namespace bullpen;

namespace {

Measurement measured(const std::string& model, double cpu_us, std::vector<std::uint64_t> by_slot) {
    Measurement m{.model = model, .connections = 20'000, .requests = 20'000};
    m.wall_s = 2;
    m.server_cpu_s = cpu_us * 20'000 / 1e6;
    m.latency = {
        .mean_us = 100, .p50_us = 712, .p90_us = 900, .p99_us = 1'230, .p999_us = 12'300, .max_us = 99'000};
    m.client_cpu_s = 0.5;
    m.connections_by_slot = std::move(by_slot);
    return m;
}

Comparison three_models() {
    Comparison comparison;
    comparison.setup = {.service = "http",
                        .path = "/file.txt",
                        .answer_bytes = 128,
                        .connections = 20'000,
                        .warm_up_connections = 500,
                        .concurrency = 16,
                        .workers = 8};
    comparison.machine = {.kernel = "Linux 6.1.0", .processor = "A processor with a name", .cpus = 2};
    comparison.measurements = {measured("iterative", 21.3, {20'500}), measured("fork", 150.1, {2, 3}),
                               measured("prefork", 33, {9'000, 5'000, 4'000, 2'500})};
    comparison.measurements[1].process_per_connection = true;
    return comparison;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::size_t widest_line(const std::string& text) {
    std::size_t widest = 0;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        const auto columns =
            std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
        widest = std::max(widest, static_cast<std::size_t>(columns));
    }
    return widest;
}

/// Without the line breaks, so that a sentence can be looked for.
std::string flowing(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

}  // namespace

TEST_SUITE("cli: the table of a comparison") {
    TEST_CASE("the table has a line for each model, and below it how the connections fell") {
        const std::string text = render_table(three_models());
        CHECK(contains(text,
                       "           connections  latency  in ms                 CPU µs per      above\n"
                       "model       per second      p50    p99  p99.9  errors  connection  iterative\n"
                       "iterative       10,000    0.712   1.23   12.3       0        21.3        0.0\n"
                       "fork            10,000    0.712   1.23   12.3       0       150.1      128.8\n"
                       "prefork         10,000    0.712   1.23   12.3       0        33.0       11.7\n"));
        CHECK(contains(text,
                       "iterative  20,500, all by its one worker\n"
                       "fork       each of 5 had a process of its own\n"
                       "prefork    2,500 to 9,000 each: 9,000 5,000 4,000 2,500\n"));
        CHECK(contains(
            flowing(text),
            "http, /file.txt of 128 bytes, one request per connection; 20,000 connections to each model "
            "after 500 to warm up, 16 at a time; pools of 8 workers. Linux 6.1.0, 2 CPUs"));
    }

    TEST_CASE("no line is wider than the terminal") {
        Comparison comparison = three_models();
        comparison.measurements.push_back(measured("prefork", 33, std::vector<std::uint64_t>(500, 123'456)));
        comparison.measurements.push_back(
            {.model = "fork", .failure = std::string(30, 'x') + " " + std::string(60, 'y')});
        comparison.measurements[0].errors = {12'345, 12'345, 12'345, 12'345, 12'345, 12'345, 12'345, 12'345};
        comparison.not_reached = {"prefork"};
        CHECK(widest_line(render_table(comparison)) <= 80);
        CHECK(render_table(comparison).back() == '\n');
    }

    TEST_CASE("without iterative there is nothing to be above") {
        Comparison comparison = three_models();
        comparison.measurements.erase(comparison.measurements.begin());
        CHECK(contains(render_table(comparison), "150.1          -\n"));
    }

    TEST_CASE("with keep-alive the numbers are per request, and the turns are explained") {
        Comparison comparison = three_models();
        comparison.setup.keep_alive = true;
        comparison.setup.requests_per_connection = 100;
        const std::string text = flowing(render_table(comparison));
        CHECK(contains(text, "each connection makes 100 requests in a row, then closes"));
        CHECK(contains(text, "   requests  latency"));
        CHECK(contains(text, "first request waits until a worker is free"));
    }

    TEST_CASE("a model that could not be measured says why, and the others are shown") {
        Comparison comparison = three_models();
        comparison.measurements[1].failure = "its master was killed: Killed";
        const std::string text = render_table(comparison);
        CHECK(contains(text, "fork       not measured: its master was killed: Killed\n"));
        CHECK(contains(text, "prefork         10,000"));
        CHECK_FALSE(contains(text, "each of 5"));
    }

    TEST_CASE("errors are named by kind") {
        Comparison comparison = three_models();
        comparison.measurements[2].errors[static_cast<std::size_t>(LoadError::reset)] = 2;
        comparison.measurements[2].errors[static_cast<std::size_t>(LoadError::timed_out)] = 1;
        CHECK(contains(flowing(render_table(comparison)),
                       "prefork: 3 of 20,000 connections failed: 2 reset and 1 timed out."));
    }

    TEST_CASE("a client that used its whole CPU is called the bottleneck") {
        Comparison comparison = three_models();
        CHECK(contains(
            flowing(render_table(comparison)),
            "The client used 25 % (iterative), 25 % (fork) and 25 % (prefork) of one CPU: it was not the "
            "bottleneck."));
        comparison.measurements[0].client_cpu_s = 1.9;
        CHECK(contains(flowing(render_table(comparison)),
                       "The client was the bottleneck: it used 95 % (iterative) of one CPU"));
    }

    TEST_CASE("a busy machine is mentioned, and so is the part of others in it") {
        Comparison comparison = three_models();
        CHECK_FALSE(contains(flowing(render_table(comparison)), "busy"));
        comparison.measurements[0].machine_busy = 0.99;
        const std::string text = flowing(render_table(comparison));
        CHECK(contains(text, "The machine was up to 99 % busy, and client and servers shared its 2 CPUs"));
        CHECK(contains(text, "Other programs used up to 76 % of the machine"));
    }

    TEST_CASE("lost and missing connections and a time limit are not hidden") {
        Comparison comparison = three_models();
        comparison.measurements[0].lost = 1;
        comparison.measurements[1].unaccounted = -2;
        comparison.measurements[2].cut_short = true;
        const std::string text = flowing(render_table(comparison));
        CHECK(contains(text, "iterative lost 1 connection"));
        CHECK(contains(text, "fork: -2 connections are missing"));
        CHECK(contains(text, "prefork was stopped by the time limit after 20,000 connections"));
    }

    TEST_CASE("after an interruption it says what is missing") {
        Comparison comparison = three_models();
        comparison.not_reached = {"fork", "prefork"};
        CHECK(contains(flowing(render_table(comparison)), "Interrupted: fork and prefork not measured."));
        comparison.measurements.clear();
        CHECK(contains(flowing(render_table(comparison)), "Interrupted: fork and prefork not measured."));
    }
}

TEST_SUITE("cli: numbers and lines") {
    TEST_CASE("numbers are grouped by thousands") {
        CHECK(grouped(0) == "0");
        CHECK(grouped(999) == "999");
        CHECK(grouped(1'000) == "1,000");
        CHECK(grouped(1'234'567) == "1,234,567");
        CHECK(grouped(-999) == "-999");
        CHECK(grouped(-1'000) == "-1,000");
    }

    TEST_CASE("three digits are significant") {
        CHECK(significant(0) == "0.000");
        CHECK(significant(0.0123) == "0.012");
        CHECK(significant(0.712) == "0.712");
        CHECK(significant(0.9996) == "1.00");
        CHECK(significant(9.994) == "9.99");
        CHECK(significant(9.996) == "10.0");
        CHECK(significant(99.94) == "99.9");
        CHECK(significant(99.96) == "100");
        CHECK(significant(12'345.6) == "12,346");
    }

    TEST_CASE("lines break between words, and later ones are indented") {
        CHECK(wrap("", 10, 0) == "\n");
        CHECK(wrap("short", 10, 2) == "short\n");
        CHECK(wrap("one two three", 7, 2) == "one two\n  three\n");
        CHECK(wrap("ends with blanks  ", 80, 0) == "ends with blanks\n");
        CHECK(wrap("name   value value", 12, 7) == "name   value\n       value\n");
        CHECK(wrap("unbreakable_word x", 4, 0) == "unbreakable_word\nx\n");
    }
}
