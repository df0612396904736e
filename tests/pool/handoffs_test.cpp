/// Handoffs over real channels and sockets, with made-up times and no process behind them.
#include "pool/handoffs.hpp"

#include <fcntl.h>

#include <array>
#include <cstdlib>
#include <vector>

#include "tests/core/open_descriptors.hpp"
#include "tests/pool/desk.hpp"

using namespace bullpen;
using namespace bullpen::at_desk;
using namespace bullpen::in_lobby;

namespace {

PoolOptions pool_that_retries(int times) {
    PoolOptions options = pool_with(2);
    options.retry_crashed = times;
    return options;
}

Resumption half_a_head_until(TimePoint deadline) {
    Resumption resumption{.parking = half_a_head};
    resumption.parking.deadline_ns = static_cast<std::uint64_t>(deadline.time_since_epoch().count());
    resumption.state.fill(std::byte{7});
    return resumption;
}

std::vector<std::uint32_t> waiting_in(Desk& desk) {
    std::vector<std::uint32_t> order;
    while (const auto client = desk.lobby.take_first())
        order.push_back(client->index);
    return order;
}

std::string heard_until_end(const Guest& guest) {
    char byte = 0;
    const ssize_t size = ::recv(guest.client.get(), &byte, 1, 0);
    return size == 0 ? "end" : size < 0 && errno == ECONNRESET ? "reset" : "something else";
}

template <typename Value>
Value option_of(int socket, int option) {
    Value value{};
    socklen_t size = sizeof value;
    REQUIRE(::getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0);
    return value;
}

template <typename Value>
void set(int socket, int option, Value value) {
    REQUIRE(::setsockopt(socket, SOL_SOCKET, option, &value, sizeof value) == 0);
}

/// What a handler or the library may have done to a socket when its worker is killed.
void spoil(int socket) {
    set(socket, SO_RCVLOWAT, 17);
    set(socket, SO_PEEK_OFF, 5);
    set(socket, SO_LINGER, linger{.l_onoff = 1, .l_linger = 20});
    set(socket, SO_RCVTIMEO, timeval{.tv_sec = 9, .tv_usec = 0});
    set(socket, SO_SNDTIMEO, timeval{.tv_sec = 0, .tv_usec = 1});
    REQUIRE(::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK) == 0);
}

void check_fresh(int socket, std::chrono::milliseconds slice) {
    constexpr std::chrono::milliseconds tick{10};  // The longest of a kernel, which rounds to it.
    CHECK(option_of<int>(socket, SO_RCVLOWAT) == 1);
    CHECK(option_of<int>(socket, SO_PEEK_OFF) == -1);
    CHECK(option_of<linger>(socket, SO_LINGER).l_onoff == 0);
    for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
        const auto wait = option_of<timeval>(socket, option);
        CHECK(std::abs(wait.tv_sec * 1000 + wait.tv_usec / 1000 - slice.count()) <= tick.count());
    }
    CHECK((::fcntl(socket, F_GETFL) & O_NONBLOCK) == 0);
}

}  // namespace

TEST_SUITE("pool: handing connections over") {
    TEST_CASE(
        "a worker gets a copy of the socket and what the last handler has left; the master keeps its own") {
        Desk desk;
        const Guest guest = desk.come();
        ConnectionEntry& entry = desk.at(guest);
        entry.resumption = half_a_head_until(begin + 3s);
        REQUIRE(desk.handoffs.give(1, guest.place, begin + 1s));
        const Envelope got = desk.receive(1);
        CHECK(got.message().kind == MessageKind::connection);
        CHECK(got.message().handoff == desk.handoff_of(guest, 1));
        CHECK(got.message().generation == desk.workforce.generation(1));
        CHECK(got.message().listener == 3);
        CHECK(got.message().since_ns == static_cast<std::uint64_t>(begin.time_since_epoch().count()));
        CHECK(got.message().resumption.state == entry.resumption.state);
        CHECK(got.message().resumption.parking.deadline_ns == entry.parking().deadline_ns);
        CHECK(got.descriptors[0]);
        CHECK_FALSE(got.descriptors[1]);
        CHECK(entry.socket);
        CHECK(entry.was_given);
        CHECK(desk.is(guest, Where::given));
        CHECK(desk.board.header().handoffs == 1);
        CHECK(desk.board.entry(1).handed == 1);
        say(guest.client, "x");
        char byte = 0;
        CHECK(::recv(got.descriptors[0].get(), &byte, 1, 0) == 1);
        CHECK(byte == 'x');
    }

    TEST_CASE("its file goes with it, and stays") {
        Desk desk;
        const Guest guest = desk.come();
        desk.at(guest).file = some_file();
        REQUIRE(desk.handoffs.give(0, guest.place, begin));
        CHECK(desk.receive(0).descriptors[1]);
        CHECK(desk.at(guest).file);
    }

    TEST_CASE("each handoff has a number of its own, also of the same connection") {
        Desk desk;
        const Guest guest = desk.give(0);
        const std::uint64_t first = desk.handoff_of(guest, 0);
        desk.handoffs.take_back_all(0, begin);
        REQUIRE(desk.lobby.take_first() == guest.place);
        REQUIRE(desk.handoffs.give(0, guest.place, begin));
        CHECK(desk.handoff_of(guest, 0) != first);
        CHECK(desk.receive(0).message().handoff == desk.handoff_of(guest, 0));
    }

    TEST_CASE("a connection that a full channel doesn't take waits as before, and nothing is counted") {
        Desk desk;
        const int channel = desk.workforce.channel(0).master.get();
        while (send_message(channel, {.kind = MessageKind::recall}, {}) == Sent::sent)
            continue;
        const long before = open_descriptors();
        const Guest guest = desk.come();
        CHECK_FALSE(desk.handoffs.give(0, guest.place, begin));
        CHECK(desk.is(guest, Where::waiting));
        CHECK_FALSE(desk.at(guest).was_given);
        CHECK(desk.roster.account(0).outstanding() == 0);
        CHECK(desk.board.entry(0).handed == 0);
        CHECK(desk.board.header().handoffs == 0);
        CHECK(desk.board.header().queued == 1);
        CHECK(desk.roster.is_usable(0));
        desk.connections.end(guest.place, Ending::completed());
        CHECK(open_descriptors() == before + 1);  // Its client's.
    }

    TEST_CASE("a worker whose channel is broken is replaced, and its connection waits") {
        Desk desk;
        ::shutdown(desk.workforce.channel(0).worker.get(), SHUT_RDWR);
        const Guest guest = desk.come();
        CHECK_FALSE(desk.handoffs.give(0, guest.place, begin));
        CHECK(desk.is(guest, Where::waiting));
        CHECK_FALSE(desk.roster.is_usable(0));
    }
}

TEST_SUITE("pool: what workers publish") {
    TEST_CASE("an ending closes the master's copy and makes room in the slot") {
        Desk desk;
        const Guest guest = desk.give(0);
        (void)desk.receive(0);
        CHECK_FALSE(desk.handoffs.has_news());
        desk.publish(0, {.number = desk.handoff_of(guest, 0)});
        CHECK(desk.handoffs.has_news());
        desk.handoffs.note_progress(begin + 1s);
        CHECK_FALSE(desk.handoffs.has_news());
        CHECK_FALSE(desk.is_there(guest));
        CHECK(heard_until_end(guest) == "end");
        CHECK(desk.roster.idle().contains(0));
        CHECK(desk.roster.moved_at(0) == begin + 1s);
        CHECK(desk.board.row(0).completed == 1);
        CHECK(desk.board.header().completed == 0);  // The row has it.
    }

    TEST_CASE("a client whose handler wants it reset is reset by the master's close, any other is not") {
        for (const auto kind : {Completion::Kind::reset, Completion::Kind::ended}) {
            Desk desk;
            const Guest guest = desk.give(0);
            {
                const Envelope worker = desk.receive(0);
                set(worker.descriptors[0].get(), SO_LINGER, linger{.l_onoff = 1, .l_linger = 0});
            }
            desk.publish(0, {.number = desk.handoff_of(guest, 0), .kind = kind});
            desk.handoffs.note_progress(begin);
            CHECK(heard_until_end(guest) == (kind == Completion::Kind::reset ? "reset" : "end"));
        }
    }

    TEST_CASE("of a worker with many connections, the one that has ended ends, whichever it is") {
        Desk desk{pool_with(1, many_at_once)};
        std::vector<Guest> guests;
        for (int i = 0; i < 5; ++i)
            guests.push_back(desk.give(0));
        for (const std::size_t index : {3U, 0U, 4U, 2U, 1U}) {
            desk.publish(0, {.number = desk.handoff_of(guests[index], 0)});
            desk.handoffs.note_progress(begin);
            CHECK_FALSE(desk.is_there(guests[index]));
            guests[index].client.reset();
            for (const Guest& other : guests)
                CHECK(desk.is_there(other) == static_cast<bool>(other.client));
        }
        CHECK(desk.roster.is_usable(0));
    }

    TEST_CASE("a parked one waits in the lobby, with what its handler has left") {
        for (const bool exchanged : {true, false}) {
            for (const Limit limit : {Limit::idle, Limit::header}) {
                Desk desk;
                const Guest guest = desk.give(0);
                (void)desk.receive(0);
                desk.at(guest).crashes = 1;
                Resumption resumption = half_a_head_until(begin + 4s);
                resumption.parking.limit = limit;
                desk.publish(0, {.number = desk.handoff_of(guest, 0),
                                 .kind = Completion::Kind::parked,
                                 .exchanged = exchanged,
                                 .resumption = resumption});
                desk.handoffs.note_progress(begin);
                REQUIRE(desk.is(guest, Where::parked));
                const ConnectionEntry& entry = desk.at(guest);
                CHECK(entry.resumption.state == resumption.state);
                CHECK(entry.parking().input_at_least == 2);
                CHECK(entry.deadline == begin + 4s);
                const bool between_requests = limit == Limit::idle;
                CHECK(entry.served == (exchanged && between_requests));
                CHECK(entry.crashes == (between_requests ? 0 : 1));  // Its request is over, or it isn't.
                CHECK(entry.socket);
                CHECK(desk.roster.account(0).returned() == 1);
                CHECK(desk.roster.idle().contains(0));
                CHECK(desk.board.header().parked == 1);
            }
        }
    }

    TEST_CASE("its file is the one that was passed, the one that it had, or none") {
        for (const auto file : {Completion::File::passed, Completion::File::same, Completion::File::none}) {
            Desk desk;
            const Guest guest = desk.come();
            desk.at(guest).file = some_file();
            const int before = desk.at(guest).file.get();
            REQUIRE(desk.handoffs.give(0, guest.place, begin));
            (void)desk.receive(0);
            const std::uint64_t handoff = desk.handoff_of(guest, 0);
            const UniqueFd another = some_file();
            if (file == Completion::File::passed) desk.pass(0, another.get(), handoff);
            desk.publish(0, {.number = handoff, .kind = Completion::Kind::parked, .file = file});
            desk.handoffs.note_progress(begin);
            REQUIRE(desk.is(guest, Where::parked));
            const TableFd& now = desk.at(guest).file;
            CHECK(static_cast<bool>(now) == (file != Completion::File::none));
            if (file == Completion::File::same) CHECK(now.get() == before);
            if (file == Completion::File::passed) {
                CHECK(::pwrite(another.get(), "x", 1, 0) == 1);
                char byte = 0;
                CHECK(::pread(now.get(), &byte, 1, 0) == 1);
            }
        }
    }

    TEST_CASE("what can't be costs the worker its place, and the connection stays its own until the burial") {
        struct Wrong {
            std::string what;
            Completion completion;
            std::uint64_t times = 1;
        };
        constexpr std::uint64_t given = 1;
        Completion garbage;
        garbage.number = given;
        garbage.kind = static_cast<Completion::Kind>(3);
        for (const Wrong& wrong :
             {Wrong{"none", {.number = 0}},
              {"the next", {.number = given + 1}},
              {"another in the upper half", {.number = given | std::uint64_t{1} << 32}},
              {"the largest", {.number = ~std::uint64_t{0}}},
              {"twice", {.number = given}, 2},
              {"no kind", garbage},
              {"no file",
               {.number = given, .kind = Completion::Kind::parked, .file = Completion::File::passed}}}) {
            CAPTURE(wrong.what);
            Desk desk;
            const Guest guest = desk.give(0);
            const Guest other = desk.give(1);
            (void)desk.receive(0);
            REQUIRE(desk.handoff_of(guest, 0) == given);
            for (std::uint64_t i = 0; i < wrong.times; ++i)
                desk.publish(0, wrong.completion);
            desk.publish(1, {.number = desk.handoff_of(other, 1)});
            desk.handoffs.note_progress(begin);
            CHECK_FALSE(desk.roster.is_usable(0));
            CHECK(desk.roster.is_usable(1));
            CHECK(desk.is(guest, Where::given));
            CHECK_FALSE(desk.is_there(other));
            desk.publish(0, {.number = given});  // From now on nobody listens to it.
            desk.handoffs.note_progress(begin);
            CHECK(desk.is(guest, Where::given));
            CHECK_FALSE(desk.handoffs.has_news());
            desk.tell(0, given, Progress::touched);
            CHECK(desk.die(0, ExitReason::replaced).lost == 1);
            CHECK_FALSE(desk.is_there(guest));
            CHECK(desk.lost(ExitReason::replaced) == 1);
        }
    }

    TEST_CASE("who lies while it owes an answer is replaced, too, and not listened to again") {
        Desk desk{pool_with(1, many_at_once)};
        const Guest received = desk.give(0);
        (void)desk.receive(0);
        const Guest queued = desk.give(0);
        const TimePoint later = begin + desk.options.stuck_after;
        desk.handoffs.relieve(later);
        REQUIRE(desk.is(queued, Where::waiting));
        CHECK(desk.receive(0).message().kind == MessageKind::answer);
        desk.publish(0, {.number = desk.handoff_of(received, 0) + 100});
        CHECK(desk.handoffs.has_news());
        desk.handoffs.note_progress(later);
        CHECK_FALSE(desk.roster.is_usable(0));
        CHECK_FALSE(desk.handoffs.has_news());
    }

    TEST_CASE("who parks where nobody does is replaced") {
        Desk desk{pool_with(1, many_at_once)};
        const Guest guest = desk.give(0);
        desk.publish(0, {.number = desk.handoff_of(guest, 0), .kind = Completion::Kind::parked});
        desk.handoffs.note_progress(begin);
        CHECK_FALSE(desk.roster.is_usable(0));
        CHECK(desk.is(guest, Where::given));
    }
}

TEST_SUITE("pool: handoffs of dead workers") {
    TEST_CASE("what lies in the channel goes first, in its order, and nobody has touched it") {
        Desk desk{pool_with(2, many_at_once)};
        std::vector<Guest> guests;
        std::vector<std::uint32_t> order;
        for (int i = 0; i < 3; ++i) {
            guests.push_back(desk.give(0));
            order.push_back(guests.back().place.index);
        }
        const Death death = desk.die(0);
        CHECK(death.lost == 0);
        CHECK(desk.board.header().recovered == 3);
        CHECK(desk.board.entry(0).handed == 0);
        CHECK(waiting_in(desk) == order);
    }

    TEST_CASE("what was published is done, whatever is told of it") {
        Desk desk;
        const Guest ended = desk.give(0);
        (void)desk.receive(0);
        desk.tell(0, desk.handoff_of(ended, 0), Progress::received);
        desk.publish(0, {.number = desk.handoff_of(ended, 0)});
        const Guest parked = desk.give(1);
        (void)desk.receive(1);
        desk.tell(1, desk.handoff_of(parked, 1), Progress::touched);
        desk.publish(1, {.number = desk.handoff_of(parked, 1), .kind = Completion::Kind::parked});
        CHECK(desk.die(0).lost + desk.die(1).lost == 0);
        CHECK_FALSE(desk.is_there(ended));
        CHECK(desk.is(parked, Where::parked));
        CHECK(desk.board.header().recovered == 0);
    }

    TEST_CASE("an ending that was counted and not published is an ending") {
        Desk desk;
        const Guest guest = desk.give(0);
        (void)desk.receive(0);
        const std::uint64_t handoff = desk.handoff_of(guest, 0);
        desk.tell(0, handoff, Progress::touched);
        desk.board.pages(0).write({.number = handoff});
        add(desk.board.row(0).failed);
        CHECK(desk.die(0).lost == 0);
        CHECK_FALSE(desk.is_there(guest));
        CHECK(desk.board.row(0).failed == 1);
        // The next worker's completions are read from where the master stands.
        const Guest next = desk.give(0);
        desk.publish(0, {.number = desk.handoff_of(next, 0)});
        desk.handoffs.note_progress(begin);
        CHECK_FALSE(desk.is_there(next));
        CHECK(desk.roster.is_usable(0));
    }

    TEST_CASE("one that was received goes to another as it was handed, whatever its worker died of") {
        for (std::size_t why = 0; why < exit_reasons; ++why) {
            Desk desk;
            const Guest guest = desk.come();
            desk.at(guest).resumption = half_a_head_until(begin + 3s);
            REQUIRE(desk.handoffs.give(0, guest.place, begin));
            Resumption garbage;
            garbage.state.fill(std::byte{1});
            desk.hand_on(guest, 0, Progress::received, garbage, false, static_cast<ExitReason>(why));
            REQUIRE(desk.is(guest, Where::waiting));
            CHECK(desk.lobby.take_first() == guest.place);
            CHECK(desk.at(guest).resumption.state == half_a_head_until(begin).state);
            CHECK(desk.at(guest).crashes == 0);
            CHECK(desk.board.header().recovered == 1);
        }
    }

    TEST_CASE("so does one of which nothing was told, or only of an earlier handoff") {
        for (const bool of_an_earlier_one : {true, false}) {
            Desk desk;
            const Guest guest = desk.give(0);
            (void)desk.receive(0);
            if (of_an_earlier_one) desk.tell(0, desk.handoff_of(guest, 0) - 1, Progress::touched);
            CHECK(desk.die(0).given_again == 1);
            CHECK(desk.is(guest, Where::waiting));
        }
    }

    TEST_CASE("one whose note was written over is lost: it may have been answered already") {
        for (const ExitReason why : {ExitReason::signalled, ExitReason::replaced}) {
            Desk desk{pool_that_retries(1)};
            const Guest guest = desk.give(0);
            (void)desk.receive(0);
            desk.tell(0, 0xa5a5'a5a5'a5a5, Progress::kept);
            CHECK(desk.die(0, why).lost == 1);
            CHECK_FALSE(desk.is_there(guest));
            CHECK(desk.lost(why) == 1);
        }
    }

    TEST_CASE("one between two requests waits for its client, and goes on from where it was") {
        for (const bool exchanged : {true, false}) {
            Desk desk;
            Resumption resumption = half_a_head_until(begin + 5s);
            resumption.parking.limit = Limit::idle;
            const Guest guest = desk.left_by_dead(0, Progress::kept, resumption, exchanged);
            REQUIRE(desk.is(guest, Where::parked));
            CHECK(desk.at(guest).resumption.state == resumption.state);
            CHECK(desk.at(guest).deadline == begin + 5s);
            CHECK(desk.at(guest).served == exchanged);
            CHECK(desk.at(guest).parking().input_at_least == 1);
            CHECK(desk.lost(ExitReason::signalled) == 0);
        }
    }

    TEST_CASE("where workers don't park, it goes to another at once, with what was left") {
        Desk desk{pool_with(1, many_at_once)};
        Resumption resumption;
        resumption.state.fill(std::byte{9});
        const Guest guest = desk.left_by_dead(0, Progress::kept, resumption, true);
        REQUIRE(desk.is(guest, Where::waiting));
        CHECK(desk.lobby.take_first() == guest.place);
        CHECK(desk.at(guest).resumption.state == resumption.state);
        CHECK(desk.at(guest).served);
    }

    TEST_CASE("one that was begun and not touched is lost, but where a crashed request is tried again") {
        for (const int retries : {0, 1, 2}) {
            Desk desk{pool_that_retries(retries)};
            const Guest guest = desk.give(0);
            for (int death = 0; death <= retries; ++death) {
                REQUIRE(desk.is(guest, Where::given));
                CHECK(desk.at(guest).crashes == death);
                desk.hand_on(guest, 0, Progress::begun);
                if (death == retries) break;
                REQUIRE(desk.lobby.take_first() == guest.place);
                REQUIRE(desk.handoffs.give(0, guest.place, begin));
            }
            CHECK_FALSE(desk.is_there(guest));
            CHECK(desk.lost(ExitReason::signalled) == 1);
        }
    }

    TEST_CASE("each request has its retries: one that is over doesn't count") {
        Desk desk{pool_that_retries(1)};
        const Guest guest = desk.left_by_dead(0, Progress::begun);
        CHECK(desk.at(guest).crashes == 1);
        REQUIRE(desk.lobby.take_first() == guest.place);
        REQUIRE(desk.handoffs.give(0, guest.place, begin));
        desk.hand_on(guest, 0, Progress::kept, {}, true);
        CHECK(desk.at(guest).crashes == 0);
    }

    TEST_CASE("a wait for a first or the same request that ends with its worker doesn't forget the crash") {
        Desk desk{pool_that_retries(1)};
        const Guest guest = desk.left_by_dead(0, Progress::begun);
        REQUIRE(desk.lobby.take_first() == guest.place);
        REQUIRE(desk.handoffs.give(0, guest.place, begin));
        desk.hand_on(guest, 0, Progress::received);
        CHECK(desk.at(guest).crashes == 1);
    }

    TEST_CASE("who was ended on purpose gets no second try, and what was touched never does") {
        for (std::size_t i = 0; i < exit_reasons; ++i) {
            const auto why = static_cast<ExitReason>(i);
            Desk desk{pool_that_retries(5)};
            const Guest begun = desk.left_by_dead(0, Progress::begun, {}, false, why);
            CHECK(desk.is_there(begun) == (why == ExitReason::signalled));
            const Guest touched = desk.left_by_dead(1, Progress::touched, {}, true, why);
            CHECK_FALSE(desk.is_there(touched));
            CHECK(heard_until_end(touched) == "end");
            CHECK(desk.lost(why) == (why == ExitReason::signalled ? 1 : 2));
        }
    }

    TEST_CASE("a socket goes on as new, whatever the dead worker did to it") {
        for (const std::chrono::milliseconds slice : {250ms, 1500ms}) {
            for (const bool tcp : {true, false}) {
                for (const Progress progress : {Progress::received, Progress::kept, Progress::begun}) {
                    PoolOptions options = pool_that_retries(1);
                    options.listen_options.slice = slice;
                    Desk desk{options};
                    const Guest guest = desk.come(tcp ? tcp_sockets() : unix_sockets());
                    REQUIRE(desk.handoffs.give(0, guest.place, begin));
                    const Envelope worker = desk.receive(0);
                    spoil(worker.descriptors[0].get());
                    desk.tell(0, desk.handoff_of(guest, 0), progress);
                    (void)desk.die(0);
                    REQUIRE(desk.is_there(guest));
                    check_fresh(desk.at(guest).socket.get(), slice);
                }
            }
        }
    }

    TEST_CASE("half a head has until its old deadline, with every worker") {
        Desk desk{pool_that_retries(1)};
        const Resumption resumption = half_a_head_until(begin + 3s);
        const Guest guest = desk.left_by_dead(0, Progress::begun, resumption);
        REQUIRE(desk.lobby.take_first() == guest.place);
        REQUIRE(desk.handoffs.give(1, guest.place, begin + 2s));
        const Resumption got = desk.receive(1).message().resumption;
        CHECK(got.parking.deadline_ns == resumption.parking.deadline_ns);
        CHECK(got.parking.limit == Limit::header);
        CHECK(got.state == resumption.state);
        CHECK(got.parking.input_at_least == 1);  // As the socket has it now; the worker sets it anew.
    }

    TEST_CASE("what a broken worker told is made harmless") {
        Desk desk;
        Resumption garbage{.parking = {.what = static_cast<Await>(77), .limit = static_cast<Limit>(200)}};
        garbage.parking.deadline_ns = ~std::uint64_t{0};
        const Guest guest = desk.left_by_dead(0, Progress::kept, garbage);
        REQUIRE(desk.is(guest, Where::parked));
        CHECK(desk.at(guest).parking().limit == Limit::idle);
        CHECK(desk.at(guest).parking().what == Await::input);
        CHECK(desk.at(guest).deadline <= begin + 1h);
    }

    TEST_CASE("descriptors of the dead are closed") {
        Desk desk;
        const long before = open_descriptors();
        for (int i = 0; i < 3; ++i) {
            const Guest guest = desk.give(0);
            const Envelope worker = desk.receive(0);
            desk.tell(0, desk.handoff_of(guest, 0), Progress::touched);
            desk.pass(0, some_file().get(), desk.handoff_of(guest, 0));
            CHECK(desk.die(0).lost == 1);
        }
        CHECK(open_descriptors() == before);
    }
}

TEST_SUITE("pool: looking after handoffs") {
    TEST_CASE("with nothing handed over there is nothing to look at") {
        const Desk desk;
        CHECK(desk.handoffs.prepare_to_wait(begin) == TimePoint::max());
    }

    TEST_CASE("one that was queued ahead goes to a worker that has become idle, after steal_after") {
        PoolOptions options = pool_with(2);
        options.steal_after = 5ms;
        options.queue_ahead = 1;
        Desk desk{options};
        const Guest served = desk.give(0);
        (void)desk.receive(0);
        const Guest ahead = desk.give(0);
        desk.handoffs.rebalance(begin + 4ms);
        CHECK(desk.handoff_of(ahead, 0) != 0);
        desk.handoffs.rebalance(begin + 5ms);
        CHECK(desk.handoff_of(ahead, 0) == 0);
        CHECK(desk.handoff_of(ahead, 1) != 0);
        CHECK(desk.receive(1).descriptors[0]);
        CHECK(desk.handoff_of(served, 0) != 0);
        CHECK(desk.board.header().recovered == 1);
    }

    TEST_CASE(
        "those ahead at a worker that stalls while none is idle go before others again, in their order") {
        for (const int queue : {0, 10}) {  // With a queue, that bounds their wait.
            PoolOptions options = pool_with(1);
            options.queue_ahead = 3;
            options.queue = queue;
            Desk desk{options};
            const Guest served = desk.give(0);
            (void)desk.receive(0);
            const Guest first = desk.give(0);
            const Guest second = desk.give(0);
            const TimePoint stalled = begin + desk.options.stalled_after;
            desk.handoffs.rebalance(stalled - 1ms);
            CHECK(desk.roster.account(0).outstanding() == 3);
            CHECK(desk.handoffs.prepare_to_wait(stalled - 1ms) < TimePoint::max());
            desk.handoffs.rebalance(stalled);
            CHECK(desk.is(served, Where::given));
            CHECK((queue > 0 ? desk.lobby.take_next() : desk.lobby.take_first()) == first.place);
            CHECK((queue > 0 ? desk.lobby.take_next() : desk.lobby.take_first()) == second.place);
        }
    }
}

TEST_SUITE("pool: handoffs of a dead master") {
    TEST_CASE("what surely was sent stays with its worker") {
        Desk desk;
        const Guest guest = desk.give(0);
        desk.adopt();
        CHECK(desk.is(guest, Where::given));
        CHECK(desk.roster.is_usable(0));
        CHECK(desk.receive(0).message().handoff == desk.handoff_of(guest, 0));
    }

    TEST_CASE("what perhaps was sent and lies in the channel goes first, all of a message in their order") {
        Desk desk;
        const std::vector<Guest> guests = desk.give_together(0, 3);
        for (const Guest& guest : guests)
            desk.at(guest).sent = false;
        desk.adopt();
        CHECK(waiting_in(desk) == indexes_of({&guests[0], &guests[1], &guests[2]}));
        CHECK(desk.roster.account(0).outstanding() == 0);
    }

    TEST_CASE("what never was sent goes first once the worker has answered that it hasn't got it") {
        Desk desk;
        const Guest guest = desk.give(0);
        (void)desk.receive(0);  // As if it had not been there.
        desk.at(guest).sent = false;
        desk.adopt();
        CHECK(desk.is(guest, Where::given));
        CHECK_FALSE(desk.roster.is_usable(0));
        CHECK(desk.receive(0).message().kind == MessageKind::answer);
        desk.board.row(0).answers.fetch_add(1);
        desk.handoffs.note_progress(begin);
        CHECK(waiting_in(desk) == indexes_of({&guest}));
        CHECK(desk.roster.is_usable(0));
        CHECK(desk.roster.account(0).outstanding() == 0);
    }

    TEST_CASE("what the worker has, or has ended meanwhile, is its own") {
        Desk desk;
        const Guest has = desk.give(0);
        const Guest ended = desk.give(1);
        for (const Guest* guest : {&has, &ended})
            desk.at(*guest).sent = false;
        for (const std::uint32_t slot : {0U, 1U})
            (void)desk.receive(slot);
        desk.tell(0, desk.handoff_of(has, 0), Progress::touched);
        desk.board.row(0).begun = 1;
        desk.adopt();
        desk.publish(1, {.number = desk.handoff_of(ended, 1)});
        for (const std::uint32_t slot : {0U, 1U})
            desk.board.row(slot).answers.fetch_add(1);
        desk.handoffs.note_progress(begin);
        CHECK(desk.is(has, Where::given));
        CHECK_FALSE(desk.is_there(ended));
        CHECK(waiting_in(desk).empty());
        CHECK(desk.roster.is_usable(0));
    }

    TEST_CASE("of what the dead master had received from a channel its copy tells") {
        Desk desk;
        const Guest guest = desk.give(0);
        const Guest other = desk.give(1);
        Envelope envelope = desk.receive(0);
        desk.adopt({&envelope.descriptors[0], 1});
        CHECK(waiting_in(desk) == indexes_of({&guest}));
        CHECK(desk.is(other, Where::given));
    }

    TEST_CASE("a file that it had received belongs to the connection that is parked next") {
        Desk desk;
        const Guest guest = desk.give(0);
        (void)desk.receive(0);
        const std::uint64_t handoff = desk.handoff_of(guest, 0);
        desk.publish(0,
                     {.number = handoff, .kind = Completion::Kind::parked, .file = Completion::File::passed});
        UniqueFd file = some_file();
        const int number = file.get();
        desk.handoffs.adopt({}, file, begin);
        CHECK_FALSE(file);
        desk.handoffs.note_progress(begin);
        CHECK(desk.is(guest, Where::parked));
        CHECK(desk.at(guest).file.get() == number);
        CHECK(desk.roster.is_usable(0));
    }

    TEST_CASE("nobody's file stays nobody's") {
        Desk desk;
        const Guest guest = desk.give(0);
        UniqueFd file = some_file();
        desk.handoffs.adopt({}, file, begin);
        CHECK(file);
        CHECK_FALSE(desk.at(guest).file);
    }
}

TEST_SUITE("pool: several connections by one message") {
    TEST_CASE("they are given at once, each with its own number, and are accepted back one by one") {
        Desk desk{crowded()};
        const std::vector<Guest> guests = desk.give_together(0, messages_at_once);
        CHECK(desk.board.header().handoffs == messages_at_once);
        const Envelope envelope = desk.receive(0);
        REQUIRE(envelope.messages().size() == messages_at_once);
        for (std::size_t i = 0; i < guests.size(); ++i) {
            CHECK(envelope.messages()[i].handoff == desk.handoff_of(guests[i], 0));
            desk.publish(0, {.number = envelope.messages()[i].handoff});
        }
        desk.handoffs.note_progress(begin);
        for (const Guest& guest : guests)
            CHECK_FALSE(desk.is_there(guest));
    }

    TEST_CASE("one with a file goes by a message of its own, in its turn") {
        Desk desk{crowded()};
        std::vector<Guest> guests;
        std::vector<Place> places;
        for (int i = 0; i < 4; ++i)
            places.push_back(guests.emplace_back(desk.come()).place);
        desk.at(guests[1]).file = some_file();
        REQUIRE(desk.handoffs.give(0, places, begin) == 4);
        std::vector<std::size_t> sizes;
        std::vector<std::uint64_t> order;
        for (int i = 0; i < 3; ++i) {
            const Envelope envelope = desk.receive(0);
            sizes.push_back(envelope.messages().size());
            for (const Message& message : envelope.messages())
                order.push_back(message.handoff);
        }
        CHECK(sizes == std::vector<std::size_t>{1, 1, 2});
        for (std::size_t i = 0; i < guests.size(); ++i)
            CHECK(order[i] == desk.handoff_of(guests[i], 0));
    }

    TEST_CASE("what a channel doesn't take stays the master's, and is said") {
        Desk desk{crowded()};
        const int channel = desk.workforce.channel(0).master.get();
        while (send_message(channel, {.kind = MessageKind::recall}, {}) == Sent::sent)
            continue;
        std::vector<Guest> guests;
        std::vector<Place> places;
        for (int i = 0; i < 3; ++i)
            places.push_back(guests.emplace_back(desk.come()).place);
        CHECK(desk.handoffs.give(0, places, begin) == 0);
        for (const Guest& guest : guests)
            CHECK(desk.is(guest, Where::waiting));
        CHECK(desk.roster.account(0).outstanding() == 0);
    }

    TEST_CASE("at a worker that stalls with the first, the others are withdrawn and go before others") {
        for (const int queue : {0, 10}) {
            Desk desk{crowded(queue)};
            const std::vector<Guest> guests = desk.give_together(0, 3);
            const Guest in_channel = desk.give(0);
            const Guest busy = desk.give(1);
            desk.receive_in_hand(0);
            const TimePoint stalled = begin + desk.options.stalled_after;
            desk.handoffs.rebalance(stalled);
            CHECK(desk.is(guests[0], Where::given));
            CHECK(desk.roster.account(0).outstanding() == 1);
            for (const Guest* const next : {&guests[1], &guests[2], &in_channel})
                CHECK((queue > 0 ? desk.lobby.take_next() : desk.lobby.take_first()) == next->place);
            CHECK(desk.is(busy, Where::given));
        }
    }

    TEST_CASE("they are withdrawn for a worker that has become idle, too") {
        Desk desk{crowded()};
        const std::vector<Guest> guests = desk.give_together(0, 2);
        desk.receive_in_hand(0);
        desk.handoffs.rebalance(begin + desk.options.steal_after);
        CHECK(desk.handoff_of(guests[0], 0) != 0);
        CHECK(desk.handoff_of(guests[1], 1) != 0);
    }

    TEST_CASE("the worker declines what was withdrawn, whether the master has it already or not") {
        for (const bool seen_queued : {true, false}) {
            Desk desk{crowded()};
            const std::vector<Guest> guests = desk.give_together(0, 2);
            const Guest busy = desk.give(1);
            const std::uint64_t handoff = desk.handoff_of(guests[1], 0);
            desk.receive_in_hand(0);
            if (!seen_queued) desk.board.pages(0).note(1).tell(handoff, Progress::received, false);
            desk.handoffs.rebalance(begin + desk.options.stalled_after);
            CHECK(desk.board.pages(0).withdrawn() >= handoff);
            CHECK(desk.is(guests[1], seen_queued ? Where::waiting : Where::given));
            desk.decline(0, handoff);
            desk.handoffs.note_progress(begin + desk.options.stalled_after);
            CHECK(desk.is(guests[1], Where::waiting));
            CHECK(desk.lobby.take_first() == guests[1].place);
            CHECK_FALSE(desk.lobby.take_first());
            desk.publish(0, {.number = desk.handoff_of(guests[0], 0)});
            desk.handoffs.note_progress(begin + desk.options.stalled_after);
            CHECK_FALSE(desk.is_there(guests[0]));
            CHECK(desk.roster.is_usable(0));
        }
    }

    TEST_CASE("a worker that declines what was not withdrawn, or twice, is replaced") {
        for (const bool twice : {true, false}) {
            Desk desk{crowded()};
            const std::vector<Guest> guests = desk.give_together(0, 2);
            const Guest busy = desk.give(1);
            const std::uint64_t handoff = desk.handoff_of(guests[1], 0);
            desk.receive_in_hand(0);
            if (twice) {
                desk.handoffs.rebalance(begin + desk.options.stalled_after);
                desk.decline(0, handoff);
                desk.handoffs.note_progress(begin + desk.options.stalled_after);
                CHECK(desk.roster.is_usable(0));
            }
            desk.decline(0, handoff);
            desk.handoffs.note_progress(begin + desk.options.stalled_after);
            CHECK_FALSE(desk.roster.is_usable(0));
        }
    }

    TEST_CASE("of a dead worker's, all but the first are given again, and its successor declines nothing") {
        Desk desk{crowded()};
        const std::vector<Guest> guests = desk.give_together(0, 4);
        const Guest busy = desk.give(1);
        desk.receive_in_hand(0);
        const Death death = desk.die(0);
        CHECK(death.given_again == 3);
        CHECK(death.lost == 1);
        for (std::size_t i = 1; i < guests.size(); ++i)
            CHECK(desk.lobby.take_first() == guests[i].place);
        CHECK(desk.roster.account(0).completions_due() == 0);
    }

    TEST_CASE("nobody waits for a dead worker to decline") {
        Desk desk{crowded()};
        const std::vector<Guest> guests = desk.give_together(0, 3);
        const Guest busy = desk.give(1);
        desk.receive_in_hand(0);
        desk.handoffs.rebalance(begin + desk.options.stalled_after);
        REQUIRE(desk.roster.account(0).completions_due() == 3);
        const Death death = desk.die(0);
        CHECK(death.lost == 1);
        CHECK(death.given_again == 0);
        CHECK(desk.roster.account(0).completions_due() == 0);
    }
}
