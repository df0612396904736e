#include "pool/lobby.hpp"

#include <array>

#include "tests/pool/hall.hpp"

using namespace bullpen;
using namespace bullpen::in_lobby;

TEST_SUITE("pool: the lobby's deadlines") {
    TEST_CASE("each limit has its own time and counter, and silence beyond it ends the connection") {
        const TimeLimits limits;
        for (const auto& [parking, time] :
             {std::pair{Parking{.limit = Limit::idle}, limits.idle},
              {Parking{.limit = Limit::header}, limits.header},
              {Parking{.limit = Limit::body}, limits.body},
              {Parking{.limit = Limit::read}, limits.read},
              {Parking{.what = Await::output, .limit = Limit::write}, limits.write}}) {
            Hall hall;
            SocketPair sockets = tcp_sockets();
            if (parking.what == Await::output) fill(sockets.server.get());
            const Guest guest = hall.park(std::move(sockets), parking);
            hall.attend(begin + time - 1ns);
            CHECK(hall.is_parked(guest));
            hall.attend(begin + time + 1s);  // They are looked at every second.
            CHECK_FALSE(hall.is_there(guest));
            CHECK(hall.timed_out(parking.limit) == 1);
            CHECK(hall.books_agree());
        }
    }

    TEST_CASE("a deadline that the worker names holds, but never beyond an hour") {
        const auto ns = [](TimePoint time) {
            return static_cast<std::uint64_t>(time.time_since_epoch().count());
        };
        for (const auto& [named, expected] : {std::pair{ns(begin + 3s), begin + 3s},
                                              {ns(begin - 3s), begin - 3s},
                                              {ns(begin + 1h + 1ns), begin + 1h},
                                              {~std::uint64_t{0}, begin + 1h},
                                              {std::uint64_t{1} << 63, begin + 1h},
                                              {std::uint64_t{1}, TimePoint{} + 1ns}}) {
            Hall hall;
            const Guest guest = hall.park(tcp_sockets(), {.deadline_ns = named, .limit = Limit::header});
            CHECK(hall.at(guest).deadline == expected);
        }
    }

    TEST_CASE("who was only waited for a while has completed then") {
        Hall hall;
        (void)hall.park(tcp_sockets(), {.limit = Limit::none});
        hall.attend(begin + 2h);
        CHECK(hall.header().completed == 1);
    }

    TEST_CASE("what came in time counts, though the server only sees it after the deadline") {
        for (const Parking parking : {Parking{}, in_a_head, half_a_head, Parking{.limit = Limit::body}}) {
            Hall hall;
            const Guest spoken = hall.park(tcp_sockets(), parking);
            hall.say(spoken);
            hall.lobby.attend(begin + 2h);  // Without a word from the epoll.
            CHECK(hall.waits(spoken));
            CHECK(hall.timed_out(parking.limit) == 0);
            const Guest ended = hall.park(tcp_sockets(), parking, served, begin + 2h);
            hall.end(ended);
            hall.lobby.attend(begin + 4h);
            CHECK(hall.header().completed == 1);
            CHECK(hall.books_agree());
        }
    }

    TEST_CASE("room that came in time counts, too") {
        Hall hall;
        SocketPair sockets = unix_sockets();
        const std::size_t filled = fill(sockets.server.get());
        const Guest slow = hall.park(std::move(sockets), sending);
        drain(slow.client, filled);
        hall.lobby.attend(begin + 2h);
        CHECK(hall.waits(slow));
    }

    TEST_CASE("who takes its answer slowly but steadily is let alone, and who stops is not") {
        constexpr std::size_t some = 65'536;
        PoolOptions options;
        options.time_limits.write = 30s;
        options.time_limits.write_rate = 500;  // `some` earns more than all of that.
        Hall hall{options};
        SocketPair sockets = unix_sockets();
        REQUIRE(fill(sockets.server.get()) > 2 * some);
        const Guest slow = hall.park(std::move(sockets), sending);
        drain(slow.client, some);
        hall.attend(begin + 30s);
        REQUIRE(hall.is_parked(slow));
        CHECK(hall.at(slow).deadline == begin + 60s);
        hall.attend(begin + 60s - 1ns);
        CHECK(hall.is_parked(slow));
        hall.attend(begin + 61s);
        CHECK(hall.timed_out(Limit::write) == 1);
    }

    TEST_CASE("who takes less than the rate earns only so much time") {
        constexpr std::size_t some = 65'536;
        for (const bool in_time : {true, false}) {
            PoolOptions options;
            options.time_limits.write = 30s;
            options.time_limits.write_rate = 60'000;  // `some` earns 1 to 2 seconds.
            Hall hall{options};
            SocketPair sockets = unix_sockets();
            fill(sockets.server.get());
            const Guest slow = hall.park(std::move(sockets), sending);
            drain(slow.client, some);
            hall.attend(begin + (in_time ? 30s : 33s));
            CHECK(hall.is_parked(slow) == in_time);
            if (!in_time) continue;
            CHECK(hall.at(slow).deadline > begin + 31s);
            CHECK(hall.at(slow).deadline < begin + 33s);
        }
    }

    TEST_CASE("progress moves no deadline but that of writing") {
        Hall hall;
        SocketPair sockets = unix_sockets();
        fill(sockets.server.get());
        const Guest slow = hall.park(std::move(sockets), {.what = Await::output, .limit = Limit::idle});
        drain(slow.client, 65'536);
        hall.attend(begin + 2h);
        CHECK(hall.timed_out(Limit::idle) == 1);
    }
}

TEST_SUITE("pool: dripping clients in the lobby") {
    TEST_CASE("the pause doubles from 1 ms to 250 ms, and there is none the first time") {
        Hall hall;
        const Guest guest = hall.park(tcp_sockets(), half_a_head);
        hall.say(guest);
        TimePoint now = begin;
        for (const auto pause : {0ms, 1ms, 2ms, 4ms, 8ms, 16ms, 32ms, 64ms, 128ms, 250ms, 250ms, 250ms}) {
            CHECK(hall.pause_of(guest, now) == pause);
            if (pause != 0ms) {
                CHECK(hall.lobby.prepare_to_wait(now) == now + pause);
                hall.attend(now + pause - 1ns);
                REQUIRE(hall.is_parked(guest));
            }
            now += pause;
            hall.back_to_a_worker(guest, now);
            hall.park_again(guest, half_a_head, now);
        }
    }

    TEST_CASE("the options say how long the pauses are") {
        PoolOptions options;
        options.drip_pause_min = 3ms;
        options.drip_pause_max = 10ms;
        Hall hall{options};
        const Guest guest = hall.park(tcp_sockets(), half_a_head);
        hall.say(guest);
        for (const auto pause : {0ms, 3ms, 6ms, 10ms, 10ms}) {
            CHECK(hall.pause_of(guest, begin) == pause);
            hall.back_to_a_worker(guest, begin + pause);
            hall.park_again(guest, half_a_head, begin);
        }
    }

    TEST_CASE("however long it drips, the pause stays the longest") {
        Hall hall;
        const Guest guest = hall.park(tcp_sockets(), half_a_head);
        hall.say(guest);
        TimePoint now = begin;
        for (int i = 0; i < 600; ++i) {  // More than a byte counts.
            now += 250ms;
            hall.back_to_a_worker(guest, now);
            hall.park_again(guest, half_a_head, now);
            if (i >= 9) REQUIRE(hall.pause_of(guest, now) == 250ms);
        }
    }

    TEST_CASE("a whole message ends it: the half one after it has no pause") {
        for (const Parking whole : {Parking{}, sending, Parking{.limit = Limit::body}}) {
            Hall hall;
            const Guest guest = hall.park(tcp_sockets(), half_a_head);
            hall.say(guest);
            TimePoint now = begin;
            const auto next = [&](Parking parking) {
                now += 1s;
                hall.back_to_a_worker(guest, now);
                hall.park_again(guest, parking, now);
                return hall.pause_of(guest, now);
            };
            for (const auto pause : {1ms, 2ms, 4ms, 8ms})
                CHECK(next(half_a_head) == pause);
            CHECK(next(whole) == 0ms);
            CHECK(next(half_a_head) == 0ms);
            CHECK(next(half_a_head) == 1ms);
        }
    }

    TEST_CASE("pauses of different lengths end each at its own time, whoever began first") {
        Hall hall;
        std::vector<Guest> guests;
        for (int drips = 5; drips >= 2; --drips) {  // The first have the longest.
            const Guest& guest = guests.emplace_back(hall.park(tcp_sockets(), half_a_head));
            hall.say(guest);
            for (int i = 1; i < drips; ++i) {
                const TimePoint now = begin - (drips - 1 - i) * 1s;
                hall.back_to_a_worker(guest, now);
                hall.park_again(guest, half_a_head, now);
            }
        }
        for (const auto& [guest, pause] : {std::pair{3U, 1ms}, {2U, 2ms}, {1U, 4ms}, {0U, 8ms}}) {
            CHECK(hall.pause_of(guests[guest], begin) == pause);
            CHECK(hall.lobby.prepare_to_wait(begin) == begin + pause);
            hall.attend(begin + pause);
            CHECK(hall.lobby.take_next() == guests[guest].place);
            CHECK_FALSE(hall.lobby.take_next());
        }
        CHECK(hall.lobby.prepare_to_wait(begin + 8ms) == TimePoint::max());
    }

    /// In its pause of 1 ms.
    struct Resting {
        Hall hall;
        Guest guest = hall.park(tcp_sockets(), half_a_head);

        explicit Resting(Parking parking = half_a_head) {
            hall.say(guest);
            hall.back_to_a_worker(guest, begin);
            std::array<char, 8> read{};
            REQUIRE(::recv(hall.at(guest).socket.get(), read.data(), read.size(), 0) == 1);
            hall.park_again(guest, parking, begin);
            REQUIRE(hall.pause_of(guest, begin) == 1ms);
        }
    };

    TEST_CASE("who says nothing during its pause is watched after it") {
        Resting resting;
        resting.hall.attend(begin + 1ms);
        CHECK(resting.hall.is_parked(resting.guest));
        CHECK(resting.hall.pause_of(resting.guest, begin) == 0ms);
        CHECK(resting.hall.lobby.prepare_to_wait(begin + 1ms) == TimePoint::max());
        say(resting.guest.client, "x");
        resting.hall.attend_to_news(begin + 2ms);
        CHECK(resting.hall.waits(resting.guest));
    }

    TEST_CASE("who leaves during its pause is seen off after it") {
        Resting resting;
        resting.hall.reset(resting.guest);
        resting.hall.attend(begin + 1ms);
        CHECK(resting.hall.header().client_aborted == 1);
        CHECK(resting.hall.books_agree());
    }

    TEST_CASE("whose deadline passes during its pause is timed out, unless it has spoken") {
        for (const bool spoke : {false, true}) {
            const auto deadline = begin.time_since_epoch() + 1us;
            Resting resting{{.deadline_ns = static_cast<std::uint64_t>(deadline.count()),
                             .input_at_least = 2,
                             .limit = Limit::header}};
            if (spoke) resting.hall.say(resting.guest);
            resting.hall.lobby.begin_stop(begin);  // From then on deadlines are looked at in every turn.
            resting.hall.attend(begin + 10us);
            CHECK(resting.hall.waits(resting.guest) == spoke);
            CHECK(resting.hall.timed_out(Limit::header) == (spoke ? 0 : 1));
            CHECK(resting.hall.lobby.prepare_to_wait(begin + 10us) == TimePoint::max());
        }
    }

    TEST_CASE(
        "who pauses between two requests can be closed once its pause is over, and is hastened at a stop") {
        constexpr Parking idle_with_a_part{.input_at_least = 2, .limit = Limit::idle};
        Resting resting{idle_with_a_part};
        const Guest other = resting.hall.park(tcp_sockets());
        CHECK(resting.hall.lobby.evict_idle());
        CHECK_FALSE(resting.hall.is_there(other));
        CHECK_FALSE(resting.hall.lobby.evict_idle());
        resting.hall.attend(begin + 1ms);
        CHECK(resting.hall.lobby.evict_idle());
        CHECK(resting.hall.books_agree());
        Resting stopping{idle_with_a_part};
        stopping.hall.lobby.begin_stop(begin);
        CHECK(stopping.hall.at(stopping.guest).deadline == begin + stopping.hall.options.stop_patience);
    }

    TEST_CASE("who is lost during its pause is in no list any more") {
        Resting resting;
        resting.hall.lobby.lose_all(ExitReason::drain_limit);
        CHECK(resting.hall.lobby.prepare_to_wait(begin) == TimePoint::max());
        resting.hall.attend(begin + 1ms);
        CHECK(resting.hall.books_agree());
    }
}
