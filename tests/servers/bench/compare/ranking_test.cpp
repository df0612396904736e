#include "servers/bench/compare/ranking.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("cli: ranks") {
    TEST_CASE("spreads apart from each other have a rank each") {
        const std::vector<Spread> spreads = {{5, 4, 6}, {9, 8, 10}, {2, 1, 3}};
        CHECK(rank(spreads, Better::higher) == std::vector<Rank>{{2, 2}, {1, 1}, {3, 3}});
        CHECK(rank(spreads, Better::lower) == std::vector<Rank>{{2, 2}, {3, 3}, {1, 1}});
    }

    TEST_CASE("two that overlap share their ranks, whichever has the better median") {
        CHECK(rank({{5, 4, 6}, {7, 6, 8}, {2, 1, 3}}, Better::higher) ==
              std::vector<Rank>{{1, 2}, {1, 2}, {3, 3}});
    }

    TEST_CASE("one that overlaps with both its neighbours may have either's rank; they stay apart") {
        const std::vector<Rank> ranks = rank({{9, 8, 10}, {7, 5, 8}, {4, 3, 5}}, Better::higher);
        CHECK(ranks == std::vector<Rank>{{1, 2}, {1, 3}, {2, 3}});
    }

    TEST_CASE("whoever overlaps has a rank in common, and the best are not told apart from each other") {
        std::vector<Spread> spreads;
        for (int i = 0; i < 40; ++i) {
            const double middle = (i * 37) % 41;
            spreads.push_back({middle, middle - i % 5, middle + i % 7});
        }
        const std::vector<Rank> ranks = rank(spreads, Better::higher);
        for (std::size_t a = 0; a < spreads.size(); ++a)
            for (std::size_t b = 0; b < spreads.size(); ++b)
                if (overlap(spreads[a], spreads[b]))
                    CHECK((ranks[a].first <= ranks[b].last && ranks[b].first <= ranks[a].last));
        const std::vector<std::size_t> best = best_of(spreads, Better::higher);
        for (const std::size_t a : best)
            for (const std::size_t b : best)
                CHECK(overlap(spreads[a], spreads[b]));
    }

    TEST_CASE("the best come in the order of their medians") {
        CHECK(best_of({{5, 4, 9}, {7, 6, 8}, {1, 1, 1}}, Better::higher) == std::vector<std::size_t>{1, 0});
        CHECK(best_of({{5, 4, 9}, {7, 6, 8}, {1, 1, 1}}, Better::lower) == std::vector<std::size_t>{2});
        CHECK(best_of({}, Better::lower).empty());
    }

    TEST_CASE("a rank is written as one number or as a range") {
        CHECK(text_of({2, 2}) == "2");
        CHECK(text_of({2, 5}) == "2–5");
    }
}
