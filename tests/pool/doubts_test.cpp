/// Doubts about workers that the test plays, with made-up times.
#include "pool/doubts.hpp"

#include <vector>

#include "tests/pool/desk.hpp"

using namespace bullpen;
using namespace bullpen::at_desk;
using namespace bullpen::in_lobby;

namespace {

PoolOptions pool_of_two() {
    PoolOptions options = pool_with(2);
    options.stuck_after = 500ms;
    options.stopped_timeout = 10'000ms;
    return options;
}

/// A worker of slot 0 that has been asked.
struct Asked {
    Desk desk{pool_of_two()};
    Doubts doubts{desk.options, desk.shape, desk.board, desk.roster, desk.workforce};
    std::vector<std::uint32_t> answered;

    Asked() { doubts.ask(0, begin); }
    void answer() { desk.board.row(0).answers.fetch_add(1); }
    void look(TimePoint now) {
        doubts.note_answers(now, [this](std::uint32_t slot) { answered.push_back(slot); });
        doubts.judge(now);
    }
    [[nodiscard]] bool is_replaced() { return desk.roster.draining().contains(0); }
    [[nodiscard]] bool is_trusted() { return !doubts.is_asked(0) && desk.roster.is_usable(0); }
};

}  // namespace

TEST_SUITE("pool: doubts about a worker") {
    TEST_CASE("one that is asked gets nothing more until it has answered") {
        Asked one;
        CHECK(one.desk.receive(0).message().kind == MessageKind::answer);
        CHECK(one.doubts.is_asked(0));
        CHECK_FALSE(one.doubts.is_asked(1));
        one.look(begin);
        CHECK_FALSE(one.desk.roster.is_usable(0));
        CHECK(one.doubts.prepare_to_wait(begin) == begin + 250ms);
        one.answer();
        one.look(begin + 1ms);
        CHECK(one.is_trusted());
        CHECK(one.answered == std::vector<std::uint32_t>{0});
        CHECK(one.doubts.prepare_to_wait(begin) == TimePoint::max());
        CHECK_FALSE(one.is_replaced());
    }

    TEST_CASE("one that was told to leave is told so again") {
        Desk desk{pool_of_two()};
        Doubts doubts{desk.options, desk.shape, desk.board, desk.roster, desk.workforce};
        desk.workforce.retire(0, begin);
        REQUIRE(desk.receive(0).message().kind == MessageKind::retire);
        doubts.ask(0, begin);
        CHECK(desk.receive(0).message().kind == MessageKind::retire);
    }

    TEST_CASE("one that has answered and doesn't have what it was given was robbed") {
        Asked one;
        const Guest guest = one.desk.give(0);
        one.answer();
        one.look(begin);
        CHECK(one.answered.size() == 1);
        CHECK(one.doubts.is_asked(0));
        one.look(begin + 249ms);
        CHECK_FALSE(one.is_replaced());
        one.look(begin + 250ms);
        CHECK(one.is_replaced());
        CHECK_FALSE(one.doubts.is_asked(0));
        CHECK(one.answered.size() == 1);
    }

    TEST_CASE("one that has it after all is trusted again") {
        Asked one;
        const Guest guest = one.desk.give(0);
        one.answer();
        one.look(begin);
        one.desk.board.row(0).begun = 1;
        one.look(begin + 250ms);
        CHECK(one.is_trusted());
        CHECK_FALSE(one.is_replaced());
    }

    TEST_CASE("one that is busy with what it was given may answer as late as it likes") {
        Asked one;
        const Guest guest = one.desk.give(0);
        one.desk.board.row(0).begun = 1;
        one.look(begin + 1h);
        CHECK(one.doubts.is_asked(0));
        CHECK_FALSE(one.is_replaced());
    }

    TEST_CASE("an idle one that doesn't answer is replaced after stopped_timeout in which the master ran") {
        Asked one;
        one.doubts.forgive(5s);
        one.look(begin + 14'999ms);
        CHECK_FALSE(one.is_replaced());
        one.look(begin + 15s);
        CHECK(one.is_replaced());
    }

    TEST_CASE("one that is stopped isn't judged") {
        Asked one;
        REQUIRE(one.desk.workforce.note_stopped(one.desk.workforce.pid(0), true, begin));
        one.look(begin + 1h);
        CHECK_FALSE(one.is_replaced());
        CHECK(one.doubts.is_asked(0));
    }

    TEST_CASE("a question ends with the worker that was asked, and is none to the next one") {
        Asked one;
        one.desk.die(0);
        one.look(begin + 1h);
        CHECK(one.is_trusted());
        CHECK(one.answered.empty());
        CHECK(one.doubts.prepare_to_wait(begin) == TimePoint::max());
    }

    TEST_CASE("of one that is replaced for another reason no answer is awaited") {
        Asked one;
        one.doubts.drop(0);
        one.doubts.drop(1);
        CHECK_FALSE(one.doubts.is_asked(0));
        CHECK(one.doubts.prepare_to_wait(begin) == TimePoint::max());
    }
}
