#include "servers/bench/load/request_mix.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("cli: the mix of requests") {
    TEST_CASE("one class comes always") {
        RequestMix mix{{7}};
        for (int i = 0; i < 20; ++i)
            CHECK(mix.next() == 0);
    }

    TEST_CASE("of 99 and 1 the second comes every hundredth time") {
        RequestMix mix{{99, 1}};
        std::vector<int> when;
        for (int i = 0; i < 1000; ++i)
            if (mix.next() == 1) when.push_back(i);
        REQUIRE(when.size() == 10);
        for (std::size_t i = 1; i < when.size(); ++i)
            CHECK(when[i] - when[i - 1] == 100);
    }

    TEST_CASE("classes of the same weight take turns") {
        RequestMix mix{{1, 1, 1}};
        for (const std::size_t expected : {0U, 1U, 2U, 0U, 1U, 2U})
            CHECK(mix.next() == expected);
        RequestMix pairs{{2, 2}};
        for (const std::size_t expected : {0U, 1U, 0U, 1U})
            CHECK(pairs.next() == expected);
    }

    TEST_CASE("two rare classes do not meet, and no class comes in clumps") {
        RequestMix mix{{1, 98, 1}};
        std::vector<int> rare;
        for (int i = 0; i < 100; ++i)
            if (mix.next() != 1) rare.push_back(i);
        REQUIRE(rare.size() == 2);
        CHECK(rare[1] - rare[0] > 30);
        CHECK(rare[1] - rare[0] < 70);

        RequestMix thirds{{2, 1}};
        std::vector<std::size_t> six;
        for (int i = 0; i < 6; ++i)
            six.push_back(thirds.next());
        CHECK(six == std::vector<std::size_t>{0, 0, 1, 0, 0, 1});
    }
}
