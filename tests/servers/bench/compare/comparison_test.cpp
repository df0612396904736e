#include "servers/bench/compare/comparison.hpp"

#include <doctest/doctest.h>

#include "tests/servers/bench/compare/made_comparison.hpp"

using namespace bullpen;

TEST_SUITE("cli: what a comparison computes") {
    TEST_CASE("CPU per request leaves out starting and stopping, and counts the warm-up") {
        Run run;
        CHECK(run.cpu_us() == 0);
        run.requests = 900;
        run.other_requests = 100;
        run.server = {
            .user_s = 0.05, .system_s = 0.2, .voluntary_switches = 2'010, .involuntary_switches = 5};
        run.start_stop = {
            .user_s = 0.01, .system_s = 0.04, .voluntary_switches = 10, .involuntary_switches = 5};
        CHECK(run.user_us() == doctest::Approx(40));
        CHECK(run.system_us() == doctest::Approx(160));
        CHECK(run.cpu_us() == doctest::Approx(200));
        CHECK(run.voluntary_switches() == doctest::Approx(2));
        CHECK(run.involuntary_switches() == 0);
        run.start_stop.system_s = 0.3;
        CHECK(run.system_us() == 0);
    }

    TEST_CASE("shares and rates of a run that took no time are 0") {
        Run run;
        run.requests = 5;
        CHECK(run.requests_per_s() == 0);
        CHECK(run.connections_per_s() == 0);
        CHECK(run.client_share() == 0);
        CHECK(run.others_share(2) == 0);
        CHECK(run.worker_kb() == 0);
    }

    TEST_CASE("what neither the client nor the servers used, others did") {
        Run run;
        run.requests = 1000;
        run.wall_s = 1;
        run.client_cpu_s = 0.5;
        run.server.system_s = 0.7;
        run.machine_busy = 0.9;
        CHECK(run.others_share(2) == doctest::Approx(0.3));
        run.machine_busy = 0.5;
        CHECK(run.others_share(2) == 0);
    }

    TEST_CASE("errors of all names are failures, and their connections were not served") {
        Run run = made_run(100, 1, 1);
        run.errors = {{"reset", 3}, {"timed out", 7}};
        CHECK(run.failed() == 10);
        CHECK(run.connections_per_s() == doctest::Approx(95));
    }

    TEST_CASE("the base line is iterative's median, if it could be measured") {
        WorkloadResult result = made_comparison().workloads[0];
        CHECK(*result.iterative_cpu_us() == doctest::Approx(21));
        result.measurements[0].failure = "it died";
        CHECK_FALSE(result.iterative_cpu_us());
        CHECK(result.measured().size() == 2);
    }

    TEST_CASE("user and system time add up to the CPU time, whatever the runs are") {
        for (unsigned seed = 0; seed < 300; ++seed) {
            const Comparison comparison = random_comparison(seed, {"a", "b", "c", "d"});
            for (const Measurement& m : comparison.workloads[0].measurements) {
                const CpuParts parts = m.cpu_parts();
                CHECK(parts.user_us + parts.system_us == doctest::Approx(m.over(&Run::cpu_us).median));
            }
        }
    }

    TEST_CASE("slots are added up over the runs") {
        CHECK(made_comparison().workloads[0].measurements[2].connections_by_slot() ==
              std::vector<std::uint64_t>{27'000, 15'000, 12'000, 7'500});
    }

    TEST_CASE("a distribution is the median of the runs at each point") {
        const std::vector<LatencyPoint> points =
            made_comparison().workloads[0].measurements[2].distribution();
        REQUIRE(points.size() == 4);
        CHECK(points[2].quantile == 0.99);
        CHECK(points[2].us == doctest::Approx(2'200));
        CHECK(Measurement{}.distribution().empty());
    }
}
