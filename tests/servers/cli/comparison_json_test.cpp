#include "servers/cli/comparison_json.hpp"

#include <doctest/doctest.h>

#include <boost/json.hpp>

using namespace bullpen;

TEST_SUITE("cli: a comparison as JSON") {
    TEST_CASE("all numbers can be read back") {
        Comparison comparison;
        comparison.setup.service = "http";
        comparison.setup.connections = 20'000;
        comparison.machine = {.kernel = "Linux 6.1", .processor = "say \"µ\"", .cpus = 2};
        comparison.began = "2026-01-02T03:04:05Z";
        Measurement m{.model = "iterative", .connections = 1000, .requests = 999};
        m.errors[static_cast<std::size_t>(LoadError::timed_out)] = 1;
        m.latency.p999_us = 1.5;
        m.server_cpu_s = 0.0999;
        m.connections_by_slot = {600, 400};
        comparison.measurements = {m, {.model = "fork", .failure = "it died"}};
        comparison.not_reached = {"prefork"};

        const std::string text = to_json(comparison);
        CHECK(text.back() == '\n');
        const boost::json::value json = boost::json::parse(text);
        CHECK(json.at("began") == "2026-01-02T03:04:05Z");
        CHECK(json.at("machine").at("processor") == "say \"µ\"");
        CHECK(json.at("setup").at("connections") == 20'000);
        CHECK(json.at("interrupted") == true);
        CHECK(json.at("not_reached") == boost::json::array{"prefork"});
        const auto& first = json.at("measurements").at(0);
        CHECK(first.at("model") == "iterative");
        CHECK(first.at("errors").at("timed_out") == 1);
        CHECK(first.at("latency_us").at("p99.9") == 1.5);
        CHECK(first.at("cpu_us_per_request").as_double() == doctest::Approx(100));
        CHECK(first.at("cpu_us_above_iterative") == 0.0);
        CHECK(first.at("connections_by_slot") == boost::json::array{600, 400});
        CHECK(json.at("measurements").at(1).at("failure") == "it died");
    }

    TEST_CASE("without iterative there is nothing to be above") {
        Comparison comparison;
        comparison.measurements = {{.model = "fork"}};
        CHECK(boost::json::parse(to_json(comparison))
                  .at("measurements")
                  .at(0)
                  .at("cpu_us_above_iterative")
                  .is_null());
    }
}
