#include "servers/bench/load/schedule.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace bullpen;

TEST_SUITE("cli: the schedule of an open loop") {
    TEST_CASE("even arrivals keep their distance and do not drift") {
        Schedule schedule{3, Arrivals::even, 1'000};
        CHECK(schedule.due_ns() == 1'000);
        for (int i = 0; i < 3'000'000; ++i)
            schedule.advance();
        CHECK(schedule.number() == 3'000'000);
        CHECK(schedule.due_ns() == 1'000'000'000'000'000 + 1'000);
    }

    TEST_CASE("a rate need not be a whole number") {
        Schedule schedule{0.5, Arrivals::even, 0};
        schedule.advance();
        CHECK(schedule.due_ns() == 2'000'000'000);
    }

    TEST_CASE("Poisson arrivals of another seed are others") {
        Schedule one{1000, Arrivals::poisson, 0, 1};
        Schedule other{1000, Arrivals::poisson, 0, 2};
        one.advance();
        other.advance();
        CHECK(one.due_ns() != other.due_ns());
    }

    TEST_CASE("Poisson arrivals have the rate, vary as they should, and are the same for a seed") {
        constexpr int many = 200'000;
        Schedule one{1000, Arrivals::poisson, 0};
        Schedule other{1000, Arrivals::poisson, 0};
        double sum_of_squares = 0;
        for (int i = 0; i < many; ++i) {
            const auto before = one.due_ns();
            one.advance();
            other.advance();
            REQUIRE(one.due_ns() == other.due_ns());
            REQUIRE(one.due_ns() >= before);
            const double gap_ms = static_cast<double>(one.due_ns() - before) / 1e6;
            sum_of_squares += gap_ms * gap_ms;
        }
        CHECK(static_cast<double>(one.due_ns()) / 1e6 / many == doctest::Approx(1.0).epsilon(0.02));
        CHECK(sum_of_squares / many == doctest::Approx(2.0).epsilon(0.05));  // Variance 1 + mean² 1.
    }
}
