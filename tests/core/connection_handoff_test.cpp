/// What a connection tells of its handoff, before anything is taken or written.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>

#include <array>
#include <span>
#include <string>
#include <thread>

#include <bullpen/clock.hpp>
#include <bullpen/connection.hpp>
#include "tests/core/connection_pair.hpp"
#include "tests/core/contents.hpp"
#include "tests/core/first_transfer.hpp"

using namespace bullpen;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds for_ever{3'600'000};  // Whoever waits for it hangs.

}  // namespace

TEST_SUITE("core: what a connection tells of its handoff") {
    TEST_CASE("each call that takes or writes bytes has said so before it does") {
        struct Row {
            std::string what;
            void (*call)(Connection&);
        };
        static std::array<std::byte, 3> buffer;
        static const UniqueFd file = file_of("file");
        for (const Row& row : {
                 Row{"read_some", [](Connection& client) { (void)client.read_some(buffer); }},
                 Row{"read_before",
                     [](Connection& client) { (void)client.read_before(buffer, Clock::now() + for_ever); }},
                 Row{"read_exactly", [](Connection& client) { (void)client.read_exactly(buffer); }},
                 Row{"take",
                     [](Connection& client) {
                         (void)client.peek(buffer, {Limit::header});
                         client.take(buffer);
                     }},
                 Row{"write_all", [](Connection& client) { client.write_all("x"); }},
                 Row{"write_before_more", [](Connection& client) { client.write_before_more("x"); }},
                 Row{"write_last", [](Connection& client) { client.write_last("x"); }},
                 Row{"write_last of nothing", [](Connection& client) { client.write_last(""); }},
                 Row{"write_some", [](Connection& client) { (void)client.write_some("x"); }},
                 Row{"send_file", [](Connection& client) { client.send_file(file.get(), 0, 4); }},
                 Row{"send_file_some",
                     [](Connection& client) { (void)client.send_file_some(file.get(), 0, 4); }},
                 Row{"cork", [](Connection& client) { client.cork(true); }},
                 Row{"shutdown_write", [](Connection& client) { client.shutdown_write(); }},
                 Row{"linger", [](Connection& client) { client.linger(); }},
                 Row{"linger_a_turn", [](Connection& client) { (void)client.linger_a_turn(Clock::now()); }},
             }) {
            CAPTURE(row.what);
            for (const bool parks : {true, false}) {
                SocketPair sockets = tcp_sockets();
                say(sockets.client, "xyz");
                CHECK(told_at_first_transfer([&](HandoffProgress handoff) {
                          ServedConnection served{std::move(sockets.server),
                                                  {.parks = parks, .handoff = handoff}};
                          served.begin();
                          row.call(served.connection());
                      }) == Progress::touched);
            }
        }
    }

    TEST_CASE("so does the worker's close") {
        SocketPair sockets = tcp_sockets();
        CHECK(told_at_first_transfer([&](HandoffProgress handoff) {
                  ServedConnection served{std::move(sockets.server), {.handoff = handoff}};
                  served.begin();
                  served.close();
              }) == Progress::touched);
    }

    TEST_CASE("who gets the descriptor may do anything with it") {
        HandoffNote note{};
        ConnectionPair pair = tcp_pair({.handoff = {note, 1}});
        pair.worker.begin();
        (void)pair.server.fd();
        CHECK(note.read().progress == Progress::touched);
    }

    TEST_CASE("looking takes nothing: not at what is there, nor for more, nor at the socket's state") {
        for (const bool parks : {true, false}) {
            SocketPair sockets = tcp_sockets();
            say(sockets.client, "xyz");
            CHECK_FALSE(told_at_first_transfer([&](HandoffProgress handoff) {
                ServedConnection served{std::move(sockets.server), {.parks = parks, .handoff = handoff}};
                served.begin();
                Connection& client = served.connection();
                std::array<std::byte, 8> buffer;
                (void)client.peek(buffer, {Limit::idle});
                client.limits().header = milliseconds{1};
                try {
                    (void)client.peek(buffer, {Limit::header, Clock::now()}, 3);
                } catch (const TimedOut&) {  // There is no more.
                }
                client.wait_at_most({Limit::body});
                client.begin_request("x");
                (void)client.is_writable();
                (void)client.peer_address();
                (void)client.local_address();
            }));
        }
    }

    TEST_CASE("the wait for a request is a boundary, told with the state as it is, and over with its end") {
        HandoffNote note{};
        ConnectionPair pair = tcp_pair({.handoff = {note, 1}});
        pair.worker.begin();
        pair.server.write_all("answer");
        pair.server.state().fill(std::byte{5});
        std::thread waiting{[&] {
            std::array<std::byte, 8> buffer;
            CHECK(pair.server.peek(buffer, {Limit::idle}));
        }};
        while (note.read().progress != Progress::kept)
            std::this_thread::yield();
        const HandoffNote::Told told = note.read();
        CHECK(told.number == 1);
        CHECK(told.exchanged);
        CHECK(told.resumption.state == pair.server.state());
        CHECK(told.resumption.parking.limit == Limit::idle);
        CHECK(told.resumption.parking.what == Await::input);
        say(pair.client, "x");
        waiting.join();
        CHECK(note.read().progress == Progress::begun);
        CHECK(note.read().resumption.state == pair.server.state());
    }

    TEST_CASE("who peeks in vain is still at the boundary, until it is called again") {
        HandoffNote note{};
        ConnectionPair pair = tcp_pair({.parks = true, .await_next = milliseconds{0}, .handoff = {note, 1}});
        pair.worker.begin();
        std::array<std::byte, 8> buffer;
        CHECK_FALSE(pair.server.peek(buffer, {Limit::idle}));
        CHECK(note.read().progress == Progress::kept);
        CHECK_FALSE(note.read().exchanged);
        say(pair.client, "x");
        constexpr int patience_ms = 20'000;
        pollfd readable{.fd = pair.worker.fd(), .events = POLLIN, .revents = 0};
        CHECK(::poll(&readable, 1, patience_ms) == 1);
        CHECK(pair.server.peek(buffer, {Limit::idle}));
        CHECK(note.read().progress == Progress::begun);
        CHECK(note.read().exchanged);
    }

    TEST_CASE("in the middle of a request of which nothing was taken another worker goes on from there") {
        HandoffNote note{};
        ConnectionPair pair = tcp_pair({.parks = true, .await_next = milliseconds{0}, .handoff = {note, 1}});
        pair.worker.begin();
        say(pair.client, "GE");
        std::array<std::byte, 8> buffer;
        pair.server.state().fill(std::byte{6});
        const TimePoint deadline = Clock::now() + for_ever;
        CHECK_FALSE(pair.server.peek(buffer, {Limit::header, deadline}, 2));
        const HandoffNote::Told told = note.read();
        CHECK(told.progress == Progress::begun);
        CHECK(told.resumption.state == pair.server.state());
        CHECK(told.resumption.parking.limit == Limit::header);
        CHECK(TimePoint{std::chrono::nanoseconds{told.resumption.parking.deadline_ns}} == deadline);
        CHECK(told.resumption.parking.input_at_least == 3);
    }

    TEST_CASE("with bytes that were taken and not used, or with a file, there is no boundary") {
        for (const bool has_file : {true, false}) {
            HandoffNote note{};
            ConnectionPair pair =
                tcp_pair({.parks = true, .await_next = milliseconds{0}, .handoff = {note, 1}});
            pair.worker.begin();
            if (has_file)
                pair.server.file() = file_of("answer");
            else
                pair.server.unread(std::as_bytes(std::span{"x"}));
            std::array<std::byte, 8> buffer;
            CHECK_FALSE(pair.server.peek(buffer, {Limit::idle}));
            CHECK(note.read().progress == Progress::begun);
            pair.server.write_all("x");
            CHECK_FALSE(pair.server.peek(buffer, {Limit::idle}));
            CHECK(note.read().progress == Progress::touched);
        }
    }

    TEST_CASE("a read whose time is over before anything came goes back to what was told before") {
        HandoffNote note{};
        ConnectionPair pair = tcp_pair({.handoff = {note, 1}});
        pair.worker.begin();
        std::array<std::byte, 8> buffer;
        CHECK_THROWS_AS((void)pair.server.read_before(buffer, Clock::now()), TimedOut);
        CHECK(note.read().progress == Progress::begun);
        CHECK_FALSE(note.read().exchanged);
    }

    TEST_CASE("a connection left to a child isn't ended by its worker") {
        HandoffNote note{};
        ConnectionPair pair = tcp_pair({.handoff = {note, 1}});
        const UniqueFd child{::fcntl(pair.server.fd(), F_DUPFD_CLOEXEC, 0)};
        pair.server.detach();
        CHECK(pair.worker.close() == Closed::in_order);
        say(child, "from the child");
        char first = 0;
        CHECK(::recv(pair.client.get(), &first, 1, 0) == 1);
    }

    TEST_CASE("a handler's wish to reset the connection is passed on") {
        HandoffNote note{};
        ConnectionPair pair = tcp_pair({.handoff = {note, 1}});
        const linger now{.l_onoff = 1, .l_linger = 0};
        REQUIRE(::setsockopt(pair.server.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
        CHECK(pair.worker.close() == Closed::reset);
    }
}
