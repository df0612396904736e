#include "metrics/health.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;

std::vector<PoolView> views_of(std::initializer_list<std::pair<const char*, const Scoreboard*>> boards) {
    std::vector<PoolView> views;
    for (const auto& [name, board] : boards)
        views.push_back(
            PoolView{{.name = name, .listeners = {}, .scoreboard_fd = board->fd(), .slots = board->slots()}});
    return views;
}

void set_stage(Scoreboard& board, Stage stage) {
    board.entry(0).stage = static_cast<std::uint32_t>(stage);
    board.entry(0).generation = 1;
}

}  // namespace

TEST_SUITE("health") {
    TEST_CASE("a master that turned at most ten seconds ago is healthy, one second more and it is not") {
        Scoreboard board{1};
        const auto pools = views_of({{"web", &board}});
        constexpr std::chrono::seconds limit{10};
        board.header().heartbeat_ns = 100 * second_ns;
        CHECK(!why_unhealthy(pools, 100 * second_ns, limit));
        CHECK(!why_unhealthy(pools, 110 * second_ns, limit));
        CHECK(!why_unhealthy(pools, 99 * second_ns, limit));  // It turned after we looked at the clock.
        CHECK(why_unhealthy(pools, 111 * second_ns, limit).value() ==
              "The master has not looked after pool web for more than 10 s.");
    }

    TEST_CASE("each pool needs a ready worker, and the sentence names the pool that has none") {
        Scoreboard web{1};
        Scoreboard echo{1};
        web.header().spare_max = echo.header().spare_max = 6;
        const auto pools = views_of({{"web", &web}, {"echo", &echo}});
        set_stage(web, Stage::ready);
        CHECK(why_unready(pools).value() == "Pool echo has no ready worker (0 starting).");
        set_stage(echo, Stage::starting);
        CHECK(why_unready(pools).value() == "Pool echo has no ready worker (1 starting).");
        set_stage(echo, Stage::ready);
        CHECK(!why_unready(pools));
        set_stage(web, Stage::draining);
        CHECK(why_unready(pools).value() == "Pool web has no ready worker (0 starting).");
    }

    TEST_CASE("a busy worker is a ready one") {
        Scoreboard board{1};
        board.header().spare_max = 6;
        board.header().hands_off = 1;
        set_stage(board, Stage::ready);
        board.entry(0).handed = board.entry(0).given = 1;
        board.row(0).begun = 1;
        CHECK(!why_unready(views_of({{"web", &board}})));
    }

    TEST_CASE("a pool that is draining is not ready, whatever its workers are") {
        Scoreboard board{1};
        set_stage(board, Stage::ready);
        board.header().draining = 1;
        CHECK(why_unready(views_of({{"web", &board}})).value() == "Pool web is draining.");
    }

    TEST_CASE("a pool that starts a worker for each client is ready without any") {
        Scoreboard board{1};
        CHECK(!why_unready(views_of({{"web", &board}})));
    }
}
