#include "servers/bench/report/stevens.hpp"

#include <doctest/doctest.h>

#include "tests/servers/bench/compare/made_comparison.hpp"

using namespace bullpen;

TEST_SUITE("cli: the book's test") {
    TEST_CASE("process control CPU time is what a design adds to iterative, for all 5,000 clients") {
        Comparison comparison = made_comparison();
        comparison.workloads[0].workload = stevens_workload();
        CHECK(is_stevens(comparison));
        const std::string text = render_stevens(comparison);
        CHECK(text.find("iterative         ") != std::string::npos);
        CHECK(text.find("one fork per client") != std::string::npos);
        CHECK(text.find("0.650     130 ") != std::string::npos);
        CHECK(text.find("0.050    10.0") != std::string::npos);
        CHECK(text.find("child  row 5\n    0 27,000\n") == std::string::npos);  // Left is the child.
        CHECK(text.find("child  row 5\n0     27,000\n1     15,000\n") != std::string::npos);
        CHECK_FALSE(is_stevens(made_comparison()));
    }

    TEST_CASE("no line is wider than the terminal, whatever the numbers are") {
        std::vector<std::string> models;
        for (const StevensRow& row : stevens_rows())
            models.push_back(row.model);
        for (unsigned seed = 0; seed < 300; ++seed) {
            Comparison comparison = random_comparison(seed, models);
            comparison.workloads[0].workload = stevens_workload();
            const std::string text = render_stevens(comparison);
            CAPTURE(text);
            CHECK(widest_line(text) <= 80);
        }
    }
}
