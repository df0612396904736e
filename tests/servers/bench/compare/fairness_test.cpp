#include "servers/bench/compare/fairness.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("cli: how evenly work is shared") {
    TEST_CASE("Jain's index is 1 for equal shares and 1/n where one has all") {
        CHECK(jain_index({5, 5, 5, 5}) == doctest::Approx(1));
        CHECK(jain_index({7, 0, 0, 0}) == doctest::Approx(0.25));
        CHECK(jain_index({1, 2, 3}) == doctest::Approx(36.0 / 42));
        CHECK(jain_index({}) == 1);
        CHECK(jain_index({0, 0}) == 1);
    }
}
