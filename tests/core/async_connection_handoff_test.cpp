/// What an asynchronous connection tells of its handoff, before anything is taken or written.
#include <doctest/doctest.h>
#include <fcntl.h>

#include <array>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <string>
#include <vector>

#include "tests/core/async_connection_pair.hpp"
#include "tests/core/contents.hpp"
#include "tests/core/first_transfer.hpp"
#include "tests/core/socket_pair.hpp"

using namespace bullpen;
using boost::asio::awaitable;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds for_ever{3'600'000};  // Whoever waits for it hangs.

}  // namespace

TEST_SUITE("core: what an asynchronous connection tells of its handoff") {
    TEST_CASE("each call that takes or writes bytes has said so before it does, at once or after a wait") {
        struct Row {
            std::string what;
            awaitable<void> (*call)(AsyncConnection&);
        };
        static std::array<std::byte, 3> buffer;
        static const UniqueFd file = file_of("file");
        const std::vector<Row> rows{
            {"read_some",
             [](AsyncConnection& client) -> awaitable<void> { (void)co_await client.read_some(buffer); }},
            {"read_before",
             [](AsyncConnection& client) -> awaitable<void> {
                 (void)co_await client.read_before(buffer, Clock::now() + for_ever);
             }},
            {"read_next",
             [](AsyncConnection& client) -> awaitable<void> {
                 (void)co_await client.read_next(buffer, for_ever);
             }},
            {"read_next with patience",
             [](AsyncConnection& client) -> awaitable<void> {
                 (void)co_await client.read_next(buffer, for_ever, for_ever);
             }},
            {"read_exactly",
             [](AsyncConnection& client) -> awaitable<void> { (void)co_await client.read_exactly(buffer); }},
            {"write_all", [](AsyncConnection& client) -> awaitable<void> { co_await client.write_all("x"); }},
            {"write_before_more",
             [](AsyncConnection& client) -> awaitable<void> { co_await client.write_before_more("x"); }},
            {"write_last",
             [](AsyncConnection& client) -> awaitable<void> { co_await client.write_last("x"); }},
            {"write_last of nothing",
             [](AsyncConnection& client) -> awaitable<void> { co_await client.write_last(""); }},
            {"send_file",
             [](AsyncConnection& client) -> awaitable<void> { co_await client.send_file(file.get(), 0, 4); }},
            {"shutdown_write",
             [](AsyncConnection& client) -> awaitable<void> {
                 client.shutdown_write();
                 co_return;
             }},
            {"linger", [](AsyncConnection& client) -> awaitable<void> { co_await client.linger(); }},
            {"close",
             [](AsyncConnection& client) -> awaitable<void> {
                 client.close();
                 co_return;
             }},
        };
        for (const Row& row : rows) {
            CAPTURE(row.what);
            SocketPair sockets = tcp_sockets();
            say(sockets.client, "xyz");
            CHECK(told_at_first_transfer([&](HandoffProgress handoff) {
                      boost::asio::io_context loop{1};
                      AsyncConnection client{
                          loop.get_executor(), std::move(sockets.server), {.handoff = handoff}};
                      client.begin();
                      boost::asio::co_spawn(loop, row.call(client), boost::asio::detached);
                      loop.run();
                  }) == Progress::touched);
        }
    }

    TEST_CASE("who gets the descriptor may do anything with it") {
        HandoffNote note{};
        AsyncConnectionPair pair{{.handoff = {note, 1}}};
        pair.server->begin();
        CHECK(note.read().progress == Progress::begun);
        (void)pair.server->fd();
        CHECK(note.read().progress == Progress::touched);
    }

    TEST_CASE("the wait for a request is a boundary, told with the state as it is; its end is not") {
        HandoffNote note{};
        AsyncConnectionPair pair{{.handoff = {note, 1}}};
        pair.server->begin();
        pair.run([&]() -> awaitable<void> {
            std::array<std::byte, 8> buffer;
            co_await pair.server->write_all("answer");
            pair.server->state().fill(std::byte{5});
            boost::asio::post(pair.loop, [&] {
                const HandoffNote::Told told = note.read();
                CHECK(told.number == 1);
                CHECK(told.progress == Progress::kept);
                CHECK(told.exchanged);
                CHECK(told.resumption.state == pair.server->state());
                CHECK(told.resumption.parking.limit == Limit::idle);
                pair.send("x");
            });
            CHECK(co_await pair.server->read_next(buffer, for_ever) == 1);
        });
        CHECK(note.read().progress == Progress::touched);
    }

    TEST_CASE("while it waits for bytes, and when none came, that is told which was before") {
        for (const bool at_boundary : {true, false}) {
            HandoffNote note{};
            AsyncConnectionPair pair{{.handoff = {note, 1}}};
            pair.server->begin();
            const Progress wanted = at_boundary ? Progress::kept : Progress::begun;
            bool looked = false;
            CHECK_THROWS_AS(pair.run([&]() -> awaitable<void> {
                std::array<std::byte, 8> buffer;
                boost::asio::post(pair.loop, [&] {
                    CHECK(note.read().progress == wanted);
                    looked = true;
                });
                constexpr milliseconds moment{20};
                pair.server->limits().read = moment;
                if (at_boundary)
                    (void)co_await pair.server->read_next(buffer, moment);
                else
                    (void)co_await pair.server->read_some(buffer);
            }),
                            TimedOut);
            CHECK(looked);
            CHECK(note.read().progress == wanted);
            CHECK_FALSE(note.read().exchanged);
        }
    }

    TEST_CASE(
        "its close ends a connection of which the master has a copy, unless a child has it or it is to be "
        "reset") {
        constexpr linger at_once{.l_onoff = 1, .l_linger = 0};
        const auto has_ended = [](const UniqueFd& client) {
            char byte = 0;
            return ::recv(client.get(), &byte, 1, MSG_DONTWAIT) == 0;
        };
        for (const bool waits_before : {true, false}) {
            for (const bool detaches : {true, false}) {
                for (const bool resets : {true, false}) {
                    HandoffNote note{};
                    AsyncConnectionPair pair{{.handoff = {note, 1}}};
                    const UniqueFd copy{::fcntl(pair.server->fd(), F_DUPFD_CLOEXEC, 0)};
                    if (waits_before) {
                        pair.run([&]() -> awaitable<void> {
                            std::array<std::byte, 8> buffer;
                            boost::asio::post(pair.loop, [&] { pair.send("x"); });
                            (void)co_await pair.server->read_some(buffer);
                        });
                    }
                    if (detaches) pair.server->detach();
                    if (resets) ::setsockopt(copy.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
                    CHECK(pair.server->close() == (resets && !detaches ? Closed::reset : Closed::in_order));
                    CHECK(has_ended(pair.client) == (!resets && !detaches));
                    CHECK(pair.server->close() == Closed::in_order);
                }
            }
        }
    }
}
