/// Renewals of workers that the test plays, with made-up times.
#include "pool/renewer.hpp"

#include <optional>

#include "tests/pool/desk.hpp"

using namespace bullpen;
using namespace bullpen::at_desk;
using namespace bullpen::in_lobby;

namespace {

/// Two workers, and room for a third beside those that leave.
struct Renewed {
    static PoolOptions options() {
        PoolOptions options = pool_with(2);
        options.reserve = 1;
        options.renewal_timeout = 10s;
        return options;
    }

    Desk desk{options()};
    Renewer renewer{desk.options, desk.shape, desk.workforce};

    Renewed() {
        REQUIRE(desk.shape.slots == 3);
        end(2);
    }
    /// The slot's worker is told to leave, and does.
    void end(std::uint32_t slot) {
        desk.workforce.retire(slot, begin);
        std::optional<Death> death = desk.workforce.take_dead(desk.workforce.pid(slot), 0, false, begin);
        REQUIRE(death);
        desk.handoffs.settle(slot, *death, begin);
        REQUIRE(desk.workforce.settle(slot, *death, begin) == 0);
        desk.workforce.bury(*death, false, begin);
    }
    void become_ready(std::uint32_t slot) {
        REQUIRE(desk.roster.starting().contains(slot));
        desk.board.row(slot).ready_generation = desk.workforce.generation(slot);
        desk.workforce.note_ready();
    }
    void reload() {
        desk.workforce.begin_edition();
        renewer.begin(begin);
    }
    [[nodiscard]] bool leaves(std::uint32_t slot) { return desk.roster.draining().contains(slot); }
};

}  // namespace

TEST_SUITE("pool: renewing workers after a reload") {
    TEST_CASE("without a change there is nothing to renew") {
        Renewed pool;
        pool.renewer.begin(begin);
        CHECK_FALSE(pool.renewer.is_under_way());
    }

    TEST_CASE("an old worker leaves once a new one is ready for it, until all are new") {
        Renewed pool;
        pool.reload();
        CHECK(pool.renewer.is_under_way());
        CHECK(pool.renewer.attend(begin));
        CHECK_FALSE(pool.leaves(0));
        pool.become_ready(2);
        CHECK(pool.renewer.attend(begin + 1s));
        CHECK(pool.leaves(0));
        CHECK_FALSE(pool.leaves(1));
        pool.end(0);
        CHECK(pool.renewer.attend(begin + 2s));
        pool.become_ready(0);
        CHECK(pool.renewer.attend(begin + 3s));
        CHECK(pool.leaves(1));
        CHECK_FALSE(pool.renewer.attend(begin + 4s));
        CHECK_FALSE(pool.renewer.is_under_way());
        CHECK_FALSE(pool.renewer.has_failed());
    }

    TEST_CASE("it is given up if no new one becomes ready in time, in which the master ran") {
        Renewed pool;
        pool.reload();
        CHECK(pool.renewer.attend(begin));
        pool.renewer.forgive(5s);
        CHECK(pool.renewer.attend(begin + 14'999ms));
        CHECK_FALSE(pool.renewer.attend(begin + 15s));
        CHECK(pool.renewer.has_failed());
        CHECK_FALSE(pool.renewer.is_under_way());
        for (const std::uint32_t old : {0U, 1U})
            CHECK_FALSE(pool.leaves(old));
    }

    TEST_CASE("each new worker that becomes ready gives the next one as long") {
        Renewed pool;
        pool.reload();
        CHECK(pool.renewer.attend(begin));
        pool.become_ready(2);
        CHECK(pool.renewer.attend(begin + 9s));
        CHECK(pool.renewer.attend(begin + 18s));
        CHECK_FALSE(pool.renewer.attend(begin + 19s));
        CHECK(pool.renewer.has_failed());
    }
}
