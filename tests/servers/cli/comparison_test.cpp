#include "servers/cli/comparison.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("cli: what a comparison computes") {
    TEST_CASE("CPU per request leaves out starting and stopping, and counts the warm-up") {
        Measurement m{.model = "x"};
        CHECK(m.cpu_us_per_request() == 0);
        m.requests = 900;
        m.warm_up_requests = 100;
        m.server_cpu_s = 0.25;
        m.start_stop_cpu_s = 0.05;
        CHECK(m.cpu_us_per_request() == doctest::Approx(200));
        m.start_stop_cpu_s = 0.3;
        CHECK(m.cpu_us_per_request() == 0);
    }

    TEST_CASE("shares and rates of a run that took no time are 0") {
        const Measurement m{.model = "x", .requests = 5};
        CHECK(m.requests_per_s() == 0);
        CHECK(m.client_share() == 0);
        CHECK(m.others_share(2) == 0);
    }

    TEST_CASE("what neither the client nor the servers used, others did") {
        Measurement m{.model = "x", .requests = 1000};
        m.wall_s = 1;
        m.client_cpu_s = 0.5;
        m.server_cpu_s = 0.7;
        m.machine_busy = 0.9;
        CHECK(m.others_share(2) == doctest::Approx(0.3));
        m.machine_busy = 0.5;
        CHECK(m.others_share(2) == 0);
    }

    TEST_CASE("errors of all kinds are failures") {
        Measurement m{.model = "x"};
        m.errors = {1, 2, 3, 0, 0, 0, 0, 4};
        CHECK(m.failed() == 10);
    }

    TEST_CASE("the base line is the first iterative that could be measured") {
        Comparison comparison;
        CHECK_FALSE(comparison.iterative_cpu_us());
        comparison.measurements.push_back({.model = "prefork", .requests = 1, .server_cpu_s = 1});
        CHECK_FALSE(comparison.iterative_cpu_us());
        comparison.measurements.push_back(
            {.model = "iterative", .failure = "died", .requests = 1, .server_cpu_s = 1});
        CHECK_FALSE(comparison.iterative_cpu_us());
        comparison.measurements.push_back({.model = "iterative", .requests = 2, .server_cpu_s = 1});
        CHECK(comparison.iterative_cpu_us() == 500'000);
    }
}
