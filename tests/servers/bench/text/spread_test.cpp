#include "servers/bench/text/spread.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("cli: the spread of several runs") {
    TEST_CASE("it has the median, the least and the greatest, in whatever order the runs were") {
        const Spread spread = spread_of({3, 1, 2});
        CHECK(spread.median == 2);
        CHECK(spread.min == 1);
        CHECK(spread.max == 3);
        CHECK(spread_of({4, 1, 2, 3}).median == 2.5);
        CHECK(spread_of({7}).median == 7);
        CHECK(spread_of({}).max == 0);
    }

    TEST_CASE("two spreads overlap if they have a value in common") {
        CHECK(overlap({2, 1, 3}, {3, 3, 4}));
        CHECK(overlap({2, 1, 9}, {3, 3, 4}));
        CHECK_FALSE(overlap({2, 1, 3}, {4, 3.1, 5}));
    }
}
