#include "servers/bench/compare/verdict.hpp"

#include <doctest/doctest.h>

#include "servers/bench/compare/contest.hpp"
#include "tests/servers/bench/compare/made_comparison.hpp"

using namespace bullpen;

TEST_SUITE("cli: the verdict") {
    TEST_CASE("those whose runs overlap are named together, and who is alone is measured against the next") {
        const std::vector<std::string> verdict = verdict_on(made_comparison().workloads[0], {});
        REQUIRE(verdict.size() == 4);
        CHECK(verdict[0] ==
              "Most connections a second: iterative and prefork, not told apart (11,000 to 9,500).");
        CHECK(verdict[1] ==
              "Shortest tail (p99): iterative, 1.30 ms; the next, prefork, takes 1.69 times as much.");
        CHECK(verdict[2] ==
              "Least CPU: iterative, 21.0 µs a connection; the next, prefork, takes 1.48 times as much.");
        CHECK(verdict[3] == "Least memory: no model is told apart from the others.");
    }

    TEST_CASE("of transports it says what a connection for each question costs") {
        const std::vector<std::string> verdict = verdict_on(made_transport_comparison().workloads[0], {});
        REQUIRE(verdict.size() == 5);
        CHECK(verdict[3] == "Least memory: no transport is told apart from the others.");
        CHECK(verdict[4] ==
              "A connection for each question, tcp-each, costs the server 130 µs more CPU time than "
              "tcp-kept, and "
              "the client waits 0 µs longer (p50).");
    }

    TEST_CASE("whoever ran once is not ranked") {
        WorkloadResult result = made_comparison().workloads[0];
        for (Measurement& m : result.measurements)
            m.runs.resize(1);
        CHECK(verdict_on(result, {}).front().find("Nothing is ranked") == 0);
        CHECK(judge(result, {}).cpu.ranks == std::vector<Rank>(3, Rank{1, 3}));
        CHECK(judge(result, {}).cpu.best.size() == 3);
    }

    TEST_CASE("what other programs used stands beside the verdict, and above a quarter nothing is ranked") {
        Comparison comparison = made_comparison();
        Run& disturbed = comparison.workloads[0].measurements[1].runs[2];
        const auto with_others = [&](double share) {
            disturbed.machine_busy = 0;
            const double ours = disturbed.client_cpu_s + 152e-6 * static_cast<double>(disturbed.requests);
            disturbed.machine_busy = share + ours / disturbed.wall_s / 2;
            return verdict_on(comparison.workloads[0], comparison.machine);
        };
        CHECK(with_others(0.1).size() == 4);
        CHECK(with_others(0.2).size() == 5);
        CHECK(with_others(0.2).back() ==
              "Other programs used up to 20 % of the machine meanwhile: repeat this when it is quiet.");
        CHECK(verdict_on(comparison).ends_with(with_others(0.2).back()));
        CHECK(judge(comparison.workloads[0], comparison.machine).cpu.rank_of(2) == "2");
        const std::string unranked =
            "Other programs used up to 80 % of the machine meanwhile: above 25 % nothing is ranked. Repeat "
            "this when it is quiet.";
        CHECK(with_others(0.8) == std::vector<std::string>{unranked});
        CHECK(verdict_on(comparison) == unranked);
        const Contest contest = judge(comparison.workloads[0], comparison.machine);
        for (const Discipline* discipline :
             {&contest.throughput, &contest.tail, &contest.cpu, &contest.memory}) {
            CHECK(discipline->rank_of(0) == "–");
            CHECK(discipline->best.size() == 3);
            CHECK(explain_ranks(*discipline, "anything") == "No ranks: see the verdict.");
        }
        comparison.workloads.push_back(made_comparison().workloads[0]);
        CHECK(verdict_on(comparison).find("iterative (1 of 1)") != std::string::npos);
        CHECK(verdict_on(comparison).ends_with("Under short: " + unranked));
    }

    TEST_CASE("ranks are explained by one that is tied") {
        const Contest contest = judge(made_comparison().workloads[0], {});
        CHECK(explain_ranks(contest.throughput, "connections a second") ==
              "Ranks are by connections a second: 1–2 stands for any from 1 to 2, because the model's runs "
              "overlap "
              "with those of others; they are not told apart.");
        CHECK(explain_ranks(contest.cpu, "CPU time") ==
              "Ranks are by CPU time: no model's runs overlap with another's.");
    }

    TEST_CASE("one model alone is compared with nobody, and none is no comparison") {
        WorkloadResult result = made_comparison().workloads[0];
        result.measurements.resize(1);
        CHECK(verdict_on(result, {}) ==
              std::vector<std::string>{"Only iterative was measured: nobody is compared."});
        result.measurements[0].failure = "it died";
        CHECK(verdict_on(result, {}) == std::vector<std::string>{"No model was measured."});
        CHECK(verdict_on(Comparison{}) == "Nothing was measured.");
    }

    TEST_CASE("an open loop asks who kept up") {
        WorkloadResult result = made_comparison().workloads[0];
        result.workload.rate = 5'000;
        CHECK(verdict_on(result, {})[0] == "Not kept up with 5,000 requests a second: fork.");
        result.workload.rate = 1'000;
        CHECK(verdict_on(result, {})[0] == "All kept up with 1,000 requests a second.");
    }

    TEST_CASE("over several workloads it counts who is among the best") {
        Comparison comparison = made_comparison();
        comparison.workloads.push_back(comparison.workloads[0]);
        CHECK(verdict_on(comparison) ==
              "Most often among the best of a workload: in throughput iterative and prefork (2 of 2), in the "
              "tail "
              "of latency iterative (2 of 2) and in CPU time iterative (2 of 2). Models whose runs overlap "
              "with "
              "the best's count as best too.");
        for (WorkloadResult& result : comparison.workloads)
            result.measurements.resize(1);
        CHECK(verdict_on(comparison) == "The runs overlap so much that no model is told from the others.");
    }
}
