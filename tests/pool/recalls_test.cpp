/// Recalls over real channels, with made-up times and no process behind them.
#include "pool/recalls.hpp"

#include <algorithm>

#include "tests/pool/desk.hpp"

using namespace bullpen;
using namespace bullpen::at_desk;
using namespace bullpen::in_lobby;

namespace {

/// A worker that has a connection, and awaits its next request.
struct Waiting {
    Desk desk{[] {
        PoolOptions options = pool_with(2);
        options.await_next = 4ms;
        return options;
    }()};
    Guest guest = desk.give(0);

    Waiting() { (void)desk.receive(0); }

    void since(TimePoint begin_of_wait) {
        desk.board.row(0).awaiting_since_ns =
            static_cast<std::uint64_t>(begin_of_wait.time_since_epoch().count());
    }
};

}  // namespace

TEST_SUITE("pool: recalling connections from workers that await a next request") {
    TEST_CASE("with nothing handed over there is nothing to look at") {
        const Desk desk;
        CHECK(desk.recalls.prepare_to_wait(begin) == TimePoint::max());
    }

    TEST_CASE("looks are at least 1 ms apart, also with await_next 0") {
        for (const auto await_next : {0ms, 4ms, 60'000ms}) {
            for (const bool awaits : {true, false}) {
                PoolOptions options = pool_with(2);
                options.await_next = await_next;
                Desk desk{options};
                const Guest guest = desk.give(0);
                TimePoint now = begin;
                for (int look = 0; look < 50; ++look) {
                    desk.board.row(0).awaiting_since_ns =
                        awaits ? static_cast<std::uint64_t>(now.time_since_epoch().count()) : 0;
                    desk.handoffs.note_progress(now);
                    desk.handoffs.relieve(now);
                    desk.recalls.attend(false, now);
                    const TimePoint next =
                        std::min(desk.handoffs.prepare_to_wait(now), desk.recalls.prepare_to_wait(now));
                    REQUIRE(next >= now + 1ms);
                    REQUIRE(next <= now + desk.options.stuck_after);
                    now = next;
                }
            }
        }
    }

    TEST_CASE("a worker that has waited for await_next is told so, once for each wait") {
        Waiting waiting;
        Desk& desk = waiting.desk;
        const auto is_recalled = [&desk](TimePoint now, bool at_once = false) {
            desk.recalls.attend(at_once, now);
            Envelope envelope;
            const bool any = desk.receive(0, envelope) == Received::message;
            if (any) CHECK(envelope.message().kind == MessageKind::recall);
            return any;
        };
        waiting.since(begin);
        CHECK_FALSE(is_recalled(begin + 3ms));
        CHECK(is_recalled(begin + 10ms));
        CHECK_FALSE(is_recalled(begin + 20ms));
        waiting.since(begin + 21ms);
        CHECK_FALSE(is_recalled(begin + 24ms));
        CHECK(is_recalled(begin + 24ms, true));
        CHECK_FALSE(is_recalled(begin + 40ms));
        waiting.since(begin + 50ms);
        CHECK(is_recalled(begin + 60ms));
    }

    TEST_CASE("one whose order was taken out of the channel, with a client behind it, is told so again") {
        Waiting waiting;
        Desk& desk = waiting.desk;
        waiting.since(begin);
        desk.recalls.attend(false, begin + 10ms);
        const Guest ahead = desk.give(0);
        desk.handoffs.take_back_all(0, begin + 11ms);
        Envelope envelope;
        REQUIRE(desk.receive(0, envelope) == Received::empty);
        desk.recalls.attend(false, begin + 20ms);
        CHECK(desk.receive(0).message().kind == MessageKind::recall);
    }
}
