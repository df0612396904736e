#include "servers/bench/report/comparison_table.hpp"

#include <doctest/doctest.h>

#include <sstream>

#include "servers/bench/compare/contender.hpp"
#include "tests/contains.hpp"
#include "tests/servers/bench/compare/made_comparison.hpp"

using namespace bullpen;

namespace {

/// With single blanks instead of line breaks and indents, so that a sentence can be looked for.
std::string flowing(const std::string& text) {
    std::istringstream stream{text};
    std::string all;
    for (std::string word; stream >> word;)
        all += word + " ";
    return all;
}

Measurement& fork_of(Comparison& comparison) {
    return comparison.workloads[0].measurements[1];
}

}  // namespace

TEST_SUITE("cli: the tables of a comparison") {
    TEST_CASE("one has speed and latency, one what it costs, one how the connections fell") {
        const std::string text = render_table(made_comparison());
        CHECK(contains(flowing(text),
                       "iterative 1–2 11,000 10.0–12.0k 0.712 0.900 1.30 12.3 99.0 fork 3 3,100 "));
        CHECK(contains(flowing(text), "prefork 2 31.0 30.0–32.0 6.20 24.8 10.0 2.00 0.25 3.0 256 "));
        CHECK(contains(flowing(text), "iterative 1 61,500 61,500 1.00 █ "));
        CHECK(contains(flowing(text), "fork - - - - one for each connection "));
        CHECK(contains(flowing(text), "prefork 4 7,500 27,000 0.82 █▄▄▂ "));
    }

    TEST_CASE("no line is wider than the terminal, with long names and large numbers") {
        Comparison comparison = made_comparison();
        for (const char* name : {"prefork-reuseport", "prethread-accept"}) {
            Measurement large = made_measurement(name, std::vector<Run>(3, made_run(123'456, 534.5, 4321)));
            large.runs[0] = made_run(101'456, 434.5, 3321);
            large.runs[0].connections_by_slot.assign(500, 123'456);
            comparison.workloads[0].measurements.push_back(large);
        }
        comparison.workloads[0].measurements.push_back(
            {.model = "event", .failure = std::string(30, 'x') + " " + std::string(60, 'y')});
        comparison.workloads[0].workload.requests_per_connection = 100;
        comparison.workloads[0].workload.rate = 1e6;
        CHECK(widest_line(render_table(comparison)) <= 80);
        CHECK(render_table(comparison).back() == '\n');
    }

    TEST_CASE("no line is wider than the terminal, whatever the numbers are") {
        std::vector<std::string> models;
        for (const Design& design : designs())
            models.push_back(design.name);
        for (unsigned seed = 0; seed < 300; ++seed) {
            const std::string text = render_table(random_comparison(seed, models));
            CAPTURE(text);
            CHECK(widest_line(text) <= 80);
        }
    }

    TEST_CASE("of datagrams it shows what was sent, again, in vain, and dropped by the kernel") {
        const std::string text = flowing(render_table(made_datagram_comparison()));
        CHECK(contains(text, "datagrams to sent again without answer dropped by the kernel "));
        CHECK(contains(text, "fork 3,000 360 10.00 % 297 "));
        CHECK(contains(text, "iterative 66,000 0 0.00 % 0 "));
        CHECK(contains(text, "datagrams of workers"));
        CHECK(contains(text, "fork - - - - one for each datagram "));
        CHECK(contains(text, "Ranks are by datagrams a second"));
        CHECK_FALSE(contains(text, "connect. "));
        CHECK_FALSE(contains(render_table(made_comparison()), "without answer"));
    }

    TEST_CASE("transports are compared instead of models, and what a full receive buffer did is counted") {
        const std::string text = flowing(render_table(made_transport_comparison()));
        CHECK(contains(text, "3 runs of each transport, in turn."));
        CHECK(contains(text, "transport rank a second"));
        CHECK(contains(text, "tcp-kept 1–2 11,000 "));
        CHECK(contains(text, "Ranks are by CPU time: no transport's runs overlap with another's."));
        CHECK(contains(text, "messages taken received dropped no room a sender that waits 3 + 5 bytes "));
        CHECK(contains(text, "tcp 1,724 1,724 0 EAGAIN is held in one read "));
        CHECK(contains(text, "udp 10,000 157 9,843 – isn't held in two "));
        CHECK(contains(text, "udp 3,000 3 0.10 % 0 "));
        CHECK_FALSE(contains(text, "worker by worker"));
        CHECK_FALSE(contains(text, "model"));
        CHECK(widest_line(render_table(made_transport_comparison())) <= 80);
    }

    TEST_CASE("below the ranks stands what they mean") {
        Comparison comparison = made_comparison();
        CHECK(
            contains(flowing(render_table(comparison)), "Ranks are by connections a second: 1–2 stands for"));
        CHECK(contains(flowing(render_table(comparison)), "Ranks are by CPU time: no model's runs overlap"));
        fork_of(comparison).runs[0].machine_busy = 0.99;
        CHECK(contains(flowing(render_table(comparison)), "iterative – 11,000"));
        CHECK(contains(flowing(render_table(comparison)), "No ranks: see the verdict."));
    }

    TEST_CASE("without iterative there is nothing to be above") {
        Comparison comparison = made_comparison();
        comparison.workloads[0].measurements.erase(comparison.workloads[0].measurements.begin());
        CHECK(contains(flowing(render_table(comparison)), "prefork 1 31.0 30.0–32.0 6.20 24.8 - 2.00"));
    }

    TEST_CASE("a model that could not be measured or was left out says why, and the others are shown") {
        Comparison comparison = made_comparison();
        fork_of(comparison).failure = "its master was killed: Killed";
        const std::string text = flowing(render_table(comparison));
        CHECK(contains(text, "fork: not measured: its master was killed: Killed."));
        CHECK(contains(text, "inetd: left out: the service http has no program's form."));
        CHECK(contains(text, "prefork 1–2 9,500"));
    }

    TEST_CASE("lost, missing and failed connections and a time limit are not hidden") {
        Comparison comparison = made_comparison();
        Measurement& fork = fork_of(comparison);
        fork.runs[0].errors = {{"reset", 2}, {"timed out", 1}};
        fork.runs[1].lost = 1;
        fork.runs[2].unaccounted = -2;
        fork.runs[2].cut_short = true;
        comparison.workloads[0].workload.connections = 5'000;
        const std::string text = flowing(render_table(comparison));
        CHECK(contains(text, "fork: 3 of 18,600 connections failed: 2 reset and 1 timed out."));
        CHECK(contains(text, "fork lost 1 connection with"));
        CHECK(contains(text, "fork: -2 connections are missing"));
        CHECK(contains(text, "fork was stopped by the time limit in 1 of 3 runs."));
    }

    TEST_CASE("a client that used its whole CPU is called the bottleneck, and a busy machine is mentioned") {
        Comparison comparison = made_comparison();
        CHECK(contains(flowing(render_table(comparison)),
                       "The client used at most 25 % of one CPU: it was not the bottleneck."));
        for (Run& run : fork_of(comparison).runs)
            run.client_cpu_s = 1.9;
        fork_of(comparison).runs[0].machine_busy = 0.99;
        const std::string text = flowing(render_table(comparison));
        CHECK(contains(text, "The client was the bottleneck with fork (95 %) of one CPU"));
        CHECK(contains(text, "The machine was up to 99 % busy, and client and servers shared its 2 CPUs"));
    }

    TEST_CASE("after an interruption it says what is missing") {
        Comparison comparison = made_comparison();
        comparison.interrupted = true;
        fork_of(comparison).runs.resize(1);
        CHECK(
            contains(flowing(render_table(comparison)), "Interrupted: not every model had all its 3 runs."));
        fork_of(comparison).runs.clear();
        CHECK(contains(flowing(render_table(comparison)), "Interrupted: fork not measured."));
    }
}
