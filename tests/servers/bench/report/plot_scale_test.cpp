#include "servers/bench/report/plot_scale.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace bullpen;

TEST_SUITE("cli: the axes of plots") {
    TEST_CASE("a linear axis ends at a round number that is not below any value, with few ticks") {
        for (const double greatest : {0.003, 0.7, 1.0, 7.0, 9.99, 47'682.0, 1e9}) {
            const LinearScale scale = linear_scale(greatest);
            CAPTURE(greatest);
            CHECK(scale.top >= greatest);
            CHECK(scale.top <= greatest * 2);
            CHECK(scale.ticks.front() == 0);
            CHECK(scale.ticks.back() == doctest::Approx(scale.top));
            CHECK(scale.ticks.size() <= 6);
            CHECK(scale.ticks.size() >= 3);
        }
        CHECK(linear_scale(47'682).top == 50'000);
        CHECK(linear_scale(0).top == 1);
        CHECK(linear_scale(50).at(25) == 0.5);
        CHECK(linear_scale(50).at(80) == 1);
    }

    TEST_CASE("a logarithmic axis goes from a round number to a round number") {
        const LogScale scale = log_scale(130, 4'500);
        CHECK(scale.bottom == doctest::Approx(100));
        CHECK(scale.top == doctest::Approx(5'000));
        CHECK(scale.at(100) == 0);
        CHECK(scale.at(5'000) == doctest::Approx(1));
        CHECK(scale.at(1) == 0);
        CHECK(log_scale(1, 1e9).ticks.size() <= 10);
        CHECK(log_scale(500, 500).top > log_scale(500, 500).bottom);
        CHECK(log_scale(0, 0).top > 0);
    }

    TEST_CASE("the tail of a distribution is stretched: each nine is a step") {
        CHECK(tail_scale(0) == doctest::Approx(0));
        CHECK(tail_scale(0.9) == doctest::Approx(1));
        CHECK(tail_scale(0.999) == doctest::Approx(3));
        CHECK(std::isfinite(tail_scale(1)));
    }

    TEST_CASE("labels keep their order and don't overlap") {
        const std::vector<double> wanted = {50, 52, 10, 51, 300, 299};
        const std::vector<double> placed = spread_labels(wanted, 10, 0, 310);
        std::vector<double> sorted = placed;
        std::sort(sorted.begin(), sorted.end());
        for (std::size_t i = 1; i < sorted.size(); ++i)
            CHECK(sorted[i] - sorted[i - 1] >= doctest::Approx(10));
        CHECK(placed[2] == 10);
        CHECK(placed[0] < placed[3]);
        CHECK(placed[3] < placed[1]);
        CHECK(sorted.back() <= 305);
        CHECK(spread_labels({}, 10, 0, 100).empty());
    }
}
