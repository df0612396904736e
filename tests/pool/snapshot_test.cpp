#include "pool/snapshot.hpp"

#include <doctest/doctest.h>

#include <random>
#include <thread>

using namespace bullpen;

TEST_SUITE("pool: snapshots of the scoreboard") {
    TEST_CASE("the totals tell idle from busy workers and account for every connection") {
        Scoreboard board{6};
        const ScoreboardReader reader{board.fd(), board.slots()};
        board.header().hands_off = 1;
        board.header().accepted = 20;
        board.header().queued = 1;
        board.header().lost[static_cast<std::size_t>(ExitReason::signalled)] = 2;
        const auto set = [&](std::uint32_t slot, Stage stage) {
            board.entry(slot).stage = static_cast<std::uint32_t>(stage);
            board.entry(slot).generation = 1;
        };
        set(0, Stage::ready);  // In a handler.
        board.entry(0).handed = 10;
        board.row(0).begun = 10;
        board.row(0).finished = 9;
        board.row(0).completed = 6;
        board.row(0).failed = 1;
        board.row(0).client_aborted = 1;
        board.row(0).timed_out[static_cast<std::size_t>(Limit::read)] = 1;
        set(1, Stage::ready);  // Idle; two connections were lost in this slot.
        board.entry(1).handed = 8;
        board.row(1).begun = 8;
        board.row(1).finished = 6;
        board.row(1).completed = 6;
        board.entry(1).lost = 2;
        set(2, Stage::ready);  // Handed one that it has not received yet.
        board.entry(2).handed = 1;
        set(3, Stage::starting);
        set(4, Stage::draining);

        const PoolTotals sum = total(reader);
        CHECK(sum.busy == 2);
        CHECK(sum.idle == 1);
        CHECK(sum.starting == 1);
        CHECK(sum.draining == 1);
        CHECK(sum.begun == 1);
        CHECK(sum.queued == 2);
        CHECK(sum.completed == 12);
        CHECK(sum.lost == 2);
        CHECK(sum.unaccounted() == 0);
    }
}
