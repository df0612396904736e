#include "pool/lobby.hpp"

#include "tests/pool/hall.hpp"

using namespace bullpen;
using namespace bullpen::in_lobby;

TEST_SUITE("pool: the lobby's queue") {
    TEST_CASE("who was given once already goes first, and among those each keeps its turn") {
        Hall hall;
        const Guest queued = hall.queue(unix_sockets());
        const Guest last = hall.queue(unix_sockets());
        const Guest back = hall.come(unix_sockets());
        const Guest back_too = hall.come(unix_sockets());
        const Guest before_others = hall.come(unix_sockets());
        CHECK_FALSE(hall.lobby.goes_first());
        for (const Guest* guest : {&back, &back_too, &before_others})
            hall.connections.move(guest->place, Where::given);
        hall.lobby.put_first(back.place);
        hall.lobby.put_first(back_too.place);
        hall.lobby.put_before_others(before_others.place);
        CHECK(hall.lobby.goes_first());
        CHECK(hall.lobby.queued() == 3);
        CHECK(hall.lobby.waiting() == 5);
        CHECK(hall.books_agree());
        CHECK(hall.take_all() == indexes_of({&back, &back_too, &before_others, &queued, &last}));
        CHECK_FALSE(hall.lobby.goes_first());
        CHECK_FALSE(hall.lobby.take_first());
        CHECK_FALSE(hall.lobby.take_next());
        CHECK(hall.lobby.waiting() == 0);
    }

    TEST_CASE("queue and backlog take turns") {
        Hall hall;
        const bool first = hall.lobby.has_turn();
        for (int i = 0; i < 3; ++i) {
            CHECK(hall.lobby.has_turn() != first);
            CHECK(hall.lobby.has_turn() == first);
        }
    }

    TEST_CASE("the last of a queue that is too long are refused, and those stay whose answer has begun") {
        Hall hall{with_queue(2, 1h)};
        std::vector<Guest> guests;
        for (const Parking parking :
             {Parking{}, sending, in_a_head, Parking{.limit = Limit::read}, Parking{}, Parking{}})
            guests.push_back(hall.queue(unix_sockets(), parking));
        const Guest back = hall.come(unix_sockets());
        hall.lobby.put_first(back.place);  // Isn't part of the queue.
        hall.lobby.keep_queue_short(begin);
        CHECK(hall.refused(Refusal::overload) == 4);
        CHECK(hall.take_all() == indexes_of({&back, &guests[1], &guests[3]}));
        for (int i = 0; i < 2; ++i)
            (void)hall.queue(unix_sockets());
        hall.lobby.keep_queue_short(begin);
        CHECK(hall.lobby.queued() == 2);
    }

    TEST_CASE("who has waited for queue_timeout is refused, at any time of the clock") {
        for (const TimePoint since : {TimePoint{}, TimePoint{} + 1ns, TimePoint{} + 5ms, begin}) {
            Hall hall{with_queue(10, 1s)};
            const Guest early = hall.queue(unix_sockets(), {}, since);
            const Guest begun = hall.queue(unix_sockets(), sending, since);
            const Guest late = hall.queue(unix_sockets(), {}, since + 100ms);
            for (const auto later : {0ns, 1ns, 1'000'000ns, 999'999'999ns}) {
                hall.lobby.keep_queue_short(since + later);
                REQUIRE(hall.lobby.queued() == 3);
            }
            hall.lobby.keep_queue_short(since + 1s);
            CHECK_FALSE(hall.is_there(early));
            CHECK(hall.waits(begun));
            CHECK(hall.waits(late));
            hall.lobby.keep_queue_short(since + 1100ms);
            CHECK_FALSE(hall.is_there(late));
            CHECK(hall.waits(begun));
            CHECK(hall.refused(Refusal::overload) == 2);
            CHECK(hall.books_agree());
        }
    }

    TEST_CASE("without a bound nobody is refused") {
        Hall hall{with_queue(0, 1s)};
        for (int i = 0; i < 100; ++i)
            (void)hall.queue(unix_sockets());
        hall.lobby.keep_queue_short(begin + 1h);
        CHECK(hall.lobby.queued() == 100);
    }

    TEST_CASE("while somebody's wait is bounded, it is looked at several times") {
        Hall hall{with_queue(10, 1s)};
        CHECK(hall.lobby.prepare_to_wait(begin) == TimePoint::max());
        (void)hall.queue(unix_sockets());
        CHECK(hall.lobby.prepare_to_wait(begin) == begin + 125ms);
        Hall hasty{with_queue(10, 8ms)};
        (void)hasty.queue(unix_sockets());
        CHECK(hasty.lobby.prepare_to_wait(begin) == begin + 10ms);
    }

    TEST_CASE("broken clients leave the queue, and those stay that may still want an answer") {
        Hall hall;
        Guest reset = hall.queue(tcp_sockets());
        Guest reset_after_words = hall.queue(tcp_sockets());
        Guest half_closed = hall.queue(tcp_sockets());
        Guest half_closed_after_words = hall.queue(tcp_sockets());
        Guest gone = hall.queue(unix_sockets());
        Guest gone_after_words = hall.queue(unix_sockets());
        Guest there = hall.queue(tcp_sockets());
        for (const Guest* guest : {&reset_after_words, &half_closed_after_words, &gone_after_words})
            hall.say(*guest);
        hall.reset(reset);
        hall.reset(reset_after_words);
        hall.end(half_closed);
        hall.end(half_closed_after_words);
        gone.client.reset();
        gone_after_words.client.reset();
        hall.attend(begin);
        CHECK(hall.header().client_aborted == 3);
        CHECK(hall.books_agree());
        CHECK(hall.take_all() ==
              indexes_of({&half_closed, &half_closed_after_words, &gone_after_words, &there}));
    }

    TEST_CASE("the queue is looked through ten times a second, not in every turn") {
        Hall hall;
        hall.attend(begin);
        Guest first = hall.queue(tcp_sockets());
        hall.reset(first);
        hall.attend(begin + 1ms);
        CHECK_FALSE(hall.is_there(first));  // Nobody was there to look at before.
        Guest second = hall.queue(tcp_sockets());
        hall.reset(second);
        hall.attend(begin + 100ms);
        CHECK(hall.waits(second));
        hall.attend(begin + 101ms);
        CHECK_FALSE(hall.is_there(second));
    }

    TEST_CASE("of a long queue the first are looked at, however many they are") {
        Hall hall;
        std::vector<Guest> guests;
        for (int i = 0; i < 300; ++i) {
            guests.push_back(hall.queue(unix_sockets()));
            if (i % 3 == 0) guests.back().client.reset();
        }
        for (int i = 0; i < 3; ++i)
            hall.attend(begin + i * 100ms);
        CHECK(hall.header().client_aborted == 100);
        CHECK(hall.lobby.queued() == 200);
    }
}

TEST_SUITE("pool: the lobby at a stop") {
    TEST_CASE("the idle ones are hastened, each kind to its own deadline, and who is in the middle is not") {
        Hall hall;
        const Guest silent = hall.park(tcp_sockets());
        const Guest after_request = hall.park(tcp_sockets(), {}, served);
        const Guest begun = hall.park(tcp_sockets(), in_a_head);
        const auto soon = static_cast<std::uint64_t>((begin + 10ms).time_since_epoch().count());
        const Guest hurried = hall.park(tcp_sockets(), {.deadline_ns = soon}, served);
        hall.lobby.begin_stop(begin);
        hall.attend(begin + 9ms);
        CHECK(hall.lobby.parked() == 4);
        hall.attend(begin + 10ms);
        CHECK_FALSE(hall.is_there(hurried));
        hall.attend(begin + hall.options.stop_settle - 1ns);
        CHECK(hall.lobby.parked() == 3);
        hall.attend(begin + hall.options.stop_settle);
        CHECK_FALSE(hall.is_there(after_request));
        CHECK(hall.header().completed == 2);
        hall.attend(begin + hall.options.stop_patience - 1ns);
        CHECK(hall.is_parked(silent));
        hall.attend(begin + hall.options.stop_patience);
        CHECK(hall.refused(Refusal::stopping) == 1);
        CHECK(hall.is_parked(begun));
        hall.attend(begin + hall.options.time_limits.header);
        CHECK(hall.timed_out(Limit::header) == 1);
        CHECK(hall.connections.size() == 0);
    }

    TEST_CASE("who comes back between two requests during the stop, or comes new, isn't waited for either") {
        Hall hall;
        hall.lobby.begin_stop(begin);
        const Guest after_request = hall.park(tcp_sockets(), {}, served, begin + 5s);
        const Guest silent = hall.park(tcp_sockets(), {}, !served, begin + 5s);
        CHECK(hall.at(after_request).deadline == begin + 5s + hall.options.stop_settle);
        CHECK(hall.at(silent).deadline == begin + 5s + hall.options.stop_patience);
    }

    TEST_CASE("a request that comes within that time is served") {
        Hall hall;
        const Guest guest = hall.park(tcp_sockets(), {}, served);
        hall.lobby.begin_stop(begin);
        hall.say(guest);
        hall.attend(begin + 1h);
        CHECK(hall.waits(guest));
    }

    TEST_CASE("at its end all that are left are lost, wherever they are") {
        Hall hall;
        const Guest watched = hall.park(tcp_sockets());
        const Guest begun = hall.park(tcp_sockets(), in_a_head);
        const Guest queued = hall.queue(tcp_sockets());
        const Guest back = hall.come(tcp_sockets());
        hall.lobby.put_first(back.place);
        const Guest given = hall.come(tcp_sockets());
        hall.connections.move(given.place, Where::given);  // Not ours to lose.
        hall.lobby.lose_all(ExitReason::drain_limit);
        CHECK(hall.lost(ExitReason::drain_limit) == 4);
        CHECK(hall.lobby.waiting() == 0);
        CHECK(hall.lobby.parked() == 0);
        CHECK(hall.is_there(given));
        CHECK(hall.connections.size() == 1);
        CHECK_FALSE(hall.lobby.evict_idle());
    }
}
