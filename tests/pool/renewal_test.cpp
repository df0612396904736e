#include "pool/renewal.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("pool: the renewal") {
    TEST_CASE("new workers are started a few at a time, and only as many as there are old ones") {
        CHECK(plan_renewal({.stale = 8, .vacant = 4, .wanted = 8}, 4) == Renewal{4, 0});
        CHECK(plan_renewal({.stale = 8, .vacant = 1, .wanted = 8}, 4) == Renewal{1, 0});
        CHECK(plan_renewal({.stale = 8, .fresh_starting = 3, .vacant = 9, .wanted = 8}, 4) == Renewal{1, 0});
        CHECK(plan_renewal({.stale = 2, .vacant = 9, .wanted = 2}, 4) == Renewal{2, 0});
        CHECK(plan_renewal({.stale = 1, .fresh_starting = 1, .vacant = 9, .wanted = 1}, 4) == Renewal{0, 0});
    }

    TEST_CASE("an old worker is retired once a new one is ready, not before") {
        CHECK(plan_renewal({.stale = 8, .fresh_starting = 4, .wanted = 8}, 4) == Renewal{0, 0});
        CHECK(plan_renewal({.stale = 8, .fresh_starting = 3, .fresh_ready = 1, .wanted = 8}, 4) ==
              Renewal{0, 1});
        CHECK(plan_renewal({.stale = 1, .fresh_ready = 8, .wanted = 8}, 4) == Renewal{0, 1});
    }

    TEST_CASE("where there must not be two at a time the old one leaves first, and none is started for it") {
        CHECK(plan_succession({.stale = 1, .vacant = 1, .wanted = 1}) == Renewal{0, 1});
        CHECK(plan_succession({.fresh_starting = 1, .wanted = 1}) == Renewal{0, 0});
    }

    TEST_CASE("from any state it ends with new workers only, and never fewer ready ones than before") {
        for (int wanted = 1; wanted <= 9; ++wanted)
            for (int room = 1; room <= 4; ++room) {
                RenewalCounts now{.stale = wanted, .vacant = room, .wanted = wanted};
                int turns = 0;
                while (now.stale > 0 && ++turns < 100) {
                    const Renewal plan = plan_renewal(now, 4);
                    now.stale -= plan.retire;
                    now.vacant += plan.retire - plan.start;
                    now.fresh_starting += plan.start;
                    REQUIRE(now.vacant >= 0);
                    REQUIRE(now.stale + now.fresh_ready >= wanted);
                    if (now.fresh_starting > 0) --now.fresh_starting, ++now.fresh_ready;
                }
                CHECK(now.stale == 0);
                CHECK(now.fresh_ready + now.fresh_starting == wanted);
            }
    }

    TEST_CASE("workers that died meanwhile are not replaced twice") {
        CHECK(plan_renewal({.stale = 2, .fresh_ready = 2, .vacant = 4, .wanted = 5}, 4) == Renewal{2, 0});
    }
}
