// Two coroutines on one connection, and what is sent without being awaited.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <bullpen/async_connection.hpp>
#include "tests/core/async_connection_pair.hpp"
#include "tests/core/contents.hpp"
#include "tests/core/socket_pair.hpp"

using namespace bullpen;
using boost::asio::awaitable;
using std::chrono::milliseconds;

namespace {

using Pair = AsyncConnectionPair;

/// Another connection in the pair's loop.
struct Other {
    explicit Other(Pair& pair) : Other{pair, unix_sockets()} {}
    Other(Pair& pair, SocketPair sockets)
        : server{std::make_unique<AsyncConnection>(pair.loop.get_executor(), std::move(sockets.server))},
          client{std::move(sockets.client)} {}
    std::unique_ptr<AsyncConnection> server;
    UniqueFd client;
};

std::string got(const UniqueFd& client) {
    std::string bytes(1 << 16, '\0');
    const ssize_t size = ::recv(client.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return bytes;
}

/// Sends until the queue is full; the bytes.
std::size_t fill(AsyncConnection& server) {
    const auto piece = std::make_shared<const std::string>(10'000, 'x');
    std::size_t bytes = 0;
    while (server.send(piece))
        bytes += piece->size();
    return bytes;
}

}  // namespace

TEST_SUITE("core: sending from an asynchronous connection") {
    TEST_CASE("one coroutine writes while another one reads") {
        Pair pair;
        const std::string bytes = many_bytes(5'000'000);
        std::string all;
        bool written = false;
        boost::asio::co_spawn(
            pair.loop,
            [&]() -> awaitable<void> {
                co_await pair.server->write_all(bytes);
                pair.server->shutdown_write();
                written = true;
            },
            boost::asio::detached);
        std::thread client;
        pair.run([&]() -> awaitable<void> {
            co_await pair.server->sleep_for(milliseconds{1});
            CHECK(!written);  // It waits for the client.
            client = std::thread{[&] {
                all = read_until_end(pair.client.get());
                pair.send("done");
            }};
            std::vector<std::byte> buffer(10);
            CHECK(co_await pair.server->read_some(buffer) == 4);
        });
        client.join();
        CHECK(written);
        CHECK(all == bytes);
    }

    TEST_CASE("the limit of the one ends not the other") {
        Pair pair;
        pair.server->limits().write = milliseconds{20};
        bool too_slow = false;
        boost::asio::co_spawn(
            pair.loop,
            [&]() -> awaitable<void> {
                try {
                    co_await pair.server->write_all(many_bytes(5'000'000));
                } catch (const TimedOut&) {
                    too_slow = true;
                }
                pair.send("now");
            },
            boost::asio::detached);
        pair.run([&]() -> awaitable<void> {
            std::vector<std::byte> buffer(10);
            CHECK(co_await pair.server->read_some(buffer) == 3);
        });
        CHECK(too_slow);
        CHECK(pair.server->exceeded() == Limit::write);
    }

    TEST_CASE("a second reader and a second writer are told what to do instead") {
        Pair pair;
        for (const bool reads : {true, false}) {
            CAPTURE(reads);
            const std::string bytes = many_bytes(5'000'000);
            const auto use = [&]() -> awaitable<void> {
                std::vector<std::byte> buffer(10);
                if (reads)
                    static_cast<void>(co_await pair.server->read_some(buffer));
                else
                    co_await pair.server->write_all(bytes);
            };
            boost::asio::co_spawn(pair.loop, use, boost::asio::detached);
            CHECK_THROWS_AS(pair.run([&]() -> awaitable<void> {
                co_await pair.server->sleep_for(milliseconds{1});
                co_await use();
            }),
                            std::logic_error);
        }
    }

    TEST_CASE("what is sent leaves at once where the client takes it") {
        Pair pair;
        CHECK(pair.server->send("hello "));
        CHECK(pair.server->send(std::make_shared<const std::string>("world")));
        CHECK(pair.server->send(""));
        CHECK(got(pair.client) == "hello world");
        CHECK(pair.server->exchanged());
    }

    TEST_CASE("what is sent during a write comes behind it, and a write behind what was sent") {
        Pair pair;
        const std::string bytes = many_bytes(3'000'000);
        std::string all;
        std::thread client;
        boost::asio::co_spawn(
            pair.loop, [&]() -> awaitable<void> { co_await pair.server->write_all(bytes); },
            boost::asio::detached);
        pair.run([&]() -> awaitable<void> {
            co_await pair.server->sleep_for(milliseconds{1});
            CHECK(pair.server->send("<first>"));
            CHECK(pair.server->send("<second>"));
            client = std::thread{[&] { all = read_until_end(pair.client.get()); }};
            co_await pair.server->write_all("<third>");
            CHECK(pair.server->send("<fourth>"));
            co_await pair.server->flush();
            pair.server->shutdown_write();
        });
        client.join();
        CHECK(all == bytes + "<first><second><third><fourth>");
    }

    TEST_CASE("a queue holds so many bytes and no more, and is whole once the client takes them") {
        Pair pair;
        pair.server->send_queue_max() = 50'000;
        std::size_t sent = 0;
        std::string all;
        pair.run([&]() -> awaitable<void> {
            sent = fill(*pair.server);
            CHECK(sent >= 50'000);
            CHECK(!pair.server->send(std::string(50'001, 'x')));
            std::thread client{[&] { all = read_until_end(pair.client.get()); }};
            co_await pair.server->flush();
            CHECK(pair.server->send("more"));
            co_await pair.server->flush();
            pair.server->shutdown_write();
            client.join();
        });
        CHECK(all == std::string(sent, 'x') + "more");
    }

    TEST_CASE("of a slow client only its own handler learns, by the write limit") {
        Pair pair;
        Other slow{pair};
        slow.server->limits().write = milliseconds{20};
        bool ended = false;
        boost::asio::co_spawn(
            pair.loop,
            [&]() -> awaitable<void> {
                std::vector<std::byte> buffer(10);
                try {
                    static_cast<void>(co_await slow.server->read_some(buffer));
                } catch (const TimedOut&) {
                    ended = true;
                }
                slow.server->close();
                pair.send("x");  // Wakes the other one.
            },
            boost::asio::detached);
        pair.run([&]() -> awaitable<void> {
            const AsyncConnection::Sender to_slow = slow.server->sender();
            fill(*slow.server);
            CHECK(to_slow.is_open());
            CHECK(pair.server->send("hello"));
            CHECK(got(pair.client) == "hello");
            std::vector<std::byte> buffer(1);
            CHECK(co_await pair.server->read_some(buffer) == 1);
            CHECK(!to_slow.is_open());
            CHECK(!to_slow.send("late"));
        });
        CHECK(ended);
        CHECK(slow.server->exceeded() == Limit::write);
    }

    TEST_CASE("a client that has left is no fault of who sends to it, and its handler learns of it") {
        Pair pair;
        pair.client.reset();
        const AsyncConnection::Sender sender = pair.server->sender();
        CHECK(!sender.send("x"));
        CHECK(pair.server->client_gone());
        CHECK_THROWS_AS(pair.run([&]() -> awaitable<void> {
            std::vector<std::byte> buffer(1);
            static_cast<void>(co_await pair.server->read_some(buffer));
        }),
                        ClientGone);
        CHECK_THROWS_AS(pair.run([&] { return pair.server->write_all("x"); }), ClientGone);
        CHECK_THROWS_AS(pair.run([&] { return pair.server->flush(); }), ClientGone);
    }

    TEST_CASE(
        "a handle sends nothing once the connection is closed or destroyed, even if bytes were queued") {
        Pair pair;
        AsyncConnection::Sender sender;
        CHECK(!sender.is_open());
        CHECK(!sender.send("x"));
        for (const bool destroyed : {true, false}) {
            Other other{pair};
            sender = other.server->sender();
            CHECK(sender.send("x"));
            fill(*other.server);
            pair.run([&]() -> awaitable<void> {
                co_await pair.server->sleep_for(milliseconds{1});
                if (destroyed)
                    other.server.reset();
                else
                    other.server->close();
                CHECK(!sender.send("x"));
                CHECK(!sender.is_open());
                co_await pair.server->sleep_for(milliseconds{1});  // What was sending comes to its end.
            });
        }
    }
}
