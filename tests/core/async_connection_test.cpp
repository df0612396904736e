#include <bullpen/async_connection.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "core/listener.hpp"
#include "tests/core/async_connection_pair.hpp"
#include "tests/core/contents.hpp"
#include "tests/core/open_descriptors.hpp"
#include "tests/core/socket_pair.hpp"

using namespace bullpen;
using boost::asio::awaitable;
using std::chrono::milliseconds;

namespace {

using Pair = AsyncConnectionPair;

}  // namespace

TEST_SUITE("core: asynchronous connections") {
    TEST_CASE("ten megabytes are written whole to a client that reads slowly") {
        Pair pair;
        const std::string bytes = many_bytes(10'000'000);
        std::string got;
        std::thread reader{[&] { got = read_until_end(pair.client.get()); }};
        pair.run([&]() -> awaitable<void> { co_await pair.server->write_all(bytes); });
        pair.server.reset();
        reader.join();
        CHECK(got == bytes);
    }

    TEST_CASE("read_exactly fills its buffer from pieces, and says when the client ended early") {
        Pair pair;
        std::thread writer{[&] {
            for (const char* piece : {"he", "l", "lo wo", "rld"}) {
                pair.send(piece);
                std::this_thread::yield();
            }
            ::shutdown(pair.client.get(), SHUT_WR);
        }};
        pair.run([&]() -> awaitable<void> {
            std::vector<std::byte> buffer(11);
            CHECK(co_await pair.server->read_exactly(buffer));
            CHECK(std::string(reinterpret_cast<char*>(buffer.data()), buffer.size()) == "hello world");
            CHECK(!co_await pair.server->read_exactly(buffer));
        });
        writer.join();
    }

    TEST_CASE("what needs no wait leaves the socket as it is and out of the event loop") {
        Pair pair;
        pair.send("question");
        const auto before = open_descriptors();
        pair.run([&]() -> awaitable<void> {
            std::vector<std::byte> buffer(100);
            CHECK(co_await pair.server->read_some(buffer) == 8);
            co_await pair.server->write_all("answer");
        });
        CHECK((::fcntl(pair.server->fd(), F_GETFL) & O_NONBLOCK) == 0);
        CHECK(open_descriptors() == before);
        pair.server->close();
        CHECK(pair.server->fd() == -1);
        CHECK(read_until_end(pair.client.get()) == "answer");
    }

    TEST_CASE("while one waits for its client the other is served") {
        Pair pair;
        int other_ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other_ends) == 0);
        const UniqueFd other_client{other_ends[0]};
        AsyncConnection other{pair.loop.get_executor(), UniqueFd{other_ends[1]}};
        boost::asio::co_spawn(
            pair.loop,
            [&]() -> awaitable<void> {
                std::vector<std::byte> buffer(1);
                CHECK(co_await other.read_some(buffer) == 1);  // Sent by the coroutine below.
            },
            boost::asio::detached);
        pair.run([&]() -> awaitable<void> {
            co_await pair.server->sleep_for(milliseconds{1});
            CHECK(::send(other_client.get(), "x", 1, 0) == 1);
        });
    }

    TEST_CASE("a connection that never has to wait gives way now and then") {
        Pair pair;
        bool done = false;
        int calls_before_other = 0;
        const std::string many(AsyncConnection::calls_in_a_row_max * 3, 'x');
        pair.send(many);
        pair.run([&]() -> awaitable<void> {
            boost::asio::post(pair.loop, [&] { done = true; });
            std::vector<std::byte> buffer(1);
            for (std::size_t i = 0; i < many.size(); ++i) {
                CHECK(co_await pair.server->read_some(buffer) == 1);
                if (!done) ++calls_before_other;
            }
        });
        CHECK(calls_before_other == AsyncConnection::calls_in_a_row_max);
    }

    TEST_CASE("a file is sent from an offset, behind a head, and the file's own offset stays") {
        Pair pair;
        const std::string contents = many_bytes(3'000'000);
        const UniqueFd file = file_of(contents);
        const off_t at = ::lseek(file.get(), 0, SEEK_CUR);
        std::string got;
        std::thread reader{[&] { got = read_until_end(pair.client.get()); }};
        pair.run([&]() -> awaitable<void> {
            co_await pair.server->write_before_more("head:");
            co_await pair.server->send_file(file.get(), 1000, contents.size() - 1000);
        });
        pair.server.reset();
        reader.join();
        CHECK(got == "head:" + contents.substr(1000));
        CHECK(::lseek(file.get(), 0, SEEK_CUR) == at);
    }

    TEST_CASE("a file that became shorter is noticed") {
        Pair pair;
        const UniqueFd file = file_of("short");
        CHECK_THROWS_AS(pair.run([&] { return pair.server->send_file(file.get(), 0, 6); }),
                        std::runtime_error);
        CHECK(!pair.server->client_gone());
    }

    TEST_CASE("a client that has left is gone, in reading a reset and in writing, waiting or not") {
        const Listener listener = Listener::open(resolve("127.0.0.1:0").front(), {});
        UniqueFd client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        const Address address = listener.address();
        REQUIRE(::connect(client.get(), address.data(), address.size()) == 0);
        Pair pair;
        AsyncConnection server{pair.loop.get_executor(),
                               UniqueFd{::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC)}};
        CHECK(server.peer_address().text().find("127.0.0.1:") == 0);
        CHECK_FALSE(server.peer_credentials());
        CHECK(server.local_address().port() == address.port());
        const auto read_while_it_resets = [&]() -> awaitable<void> {
            boost::asio::post(pair.loop, [&] {
                const linger now{.l_onoff = 1, .l_linger = 0};
                ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
                client.reset();
            });
            std::vector<std::byte> buffer(1);
            static_cast<void>(co_await server.read_some(buffer));
        };
        CHECK_THROWS_AS(pair.run(read_while_it_resets), ClientGone);
        CHECK(server.client_gone());

        pair.client.reset();
        CHECK_THROWS_AS(pair.run([&] { return pair.server->write_all("x"); }), ClientGone);

        Pair slow;
        const std::string bytes = many_bytes(10'000'000);
        const auto write_while_it_leaves = [&]() -> awaitable<void> {
            boost::asio::post(slow.loop, [&] { slow.client.reset(); });
            co_await slow.server->write_all(bytes);
        };
        CHECK_THROWS_AS(slow.run(write_while_it_leaves), ClientGone);
    }

    TEST_CASE("a silent client runs into the read limit, a deadline and the write limit") {
        std::vector<std::byte> buffer(1);
        Pair silent;
        silent.server->limits().read = milliseconds{50};
        const auto read = [&]() -> awaitable<void> {
            static_cast<void>(co_await silent.server->read_some(buffer));
        };
        CHECK_THROWS_AS(silent.run(read), TimedOut);
        CHECK(silent.server->exceeded() == Limit::read);

        Pair late;
        const auto read_late = [&]() -> awaitable<void> {
            static_cast<void>(co_await late.server->read_before(buffer, Clock::now() + milliseconds{50}));
        };
        CHECK_THROWS_AS(late.run(read_late), TimedOut);

        Pair full;
        full.server->limits().write = milliseconds{50};
        const std::string bytes = many_bytes(10'000'000);
        CHECK_THROWS_AS(full.run([&] { return full.server->write_all(bytes); }), TimedOut);
        CHECK(full.server->exceeded() == Limit::write);
    }

    TEST_CASE("a deadline that is over doesn't end a later wait") {
        Pair pair;
        pair.run([&]() -> awaitable<void> {
            std::vector<std::byte> buffer(1);
            pair.server->limits().read = milliseconds{40};
            boost::asio::post(pair.loop, [&] { pair.send("a"); });
            CHECK(co_await pair.server->read_some(buffer) == 1);  // Its timer is still armed.
            pair.server->limits().read = milliseconds{60'000};
            std::thread later{[&] {
                std::this_thread::sleep_for(milliseconds{120});
                pair.send("b");
            }};
            CHECK(co_await pair.server->read_some(buffer) == 1);
            later.join();
        });
        CHECK(pair.server->exceeded() == Limit::none);
    }

    TEST_CASE(
        "a client that speaks before a busy loop gets to see that its limit has passed is not too late") {
        Pair pair;
        pair.server->limits().read = milliseconds{20};
        boost::asio::steady_timer busy{pair.loop, milliseconds{1}};
        busy.async_wait([](const auto&) { std::this_thread::sleep_for(milliseconds{60}); });
        boost::asio::steady_timer speaks{pair.loop, milliseconds{10}};  // Goes off together with the limit's.
        speaks.async_wait([&](const auto&) { pair.send("x"); });
        pair.run([&]() -> awaitable<void> {
            std::vector<std::byte> buffer(1);
            CHECK(co_await pair.server->read_some(buffer) == 1);
        });
    }

    TEST_CASE("waiting for the next request times out at its limit") {
        Pair pair;
        std::vector<std::byte> buffer(16);
        const auto wait = [&] {
            pair.run([&]() -> awaitable<void> { co_await pair.server->read_next(buffer, milliseconds{50}); });
        };
        CHECK_THROWS_AS(wait(), TimedOut);
        CHECK(pair.server->exceeded() == Limit::idle);
    }

    TEST_CASE("waiting for the next request ends at a stop, and not for want of spare workers") {
        std::atomic<std::uint32_t> spare{0};
        std::atomic<std::uint32_t> draining{0};
        Pair pair{{.spare = &spare, .draining = &draining}};
        std::vector<std::byte> buffer(16);
        pair.send("next");
        pair.run([&]() -> awaitable<void> {
            const auto size = co_await pair.server->read_next(buffer, milliseconds{60'000});
            CHECK(size == std::optional<std::size_t>{4});
            boost::asio::post(pair.loop, [&] {
                pair.server->notice_drain();  // Nothing to notice: goes on waiting.
                draining = 1;
                pair.server->notice_drain();
            });
            const auto at_once = co_await pair.server->read_next(buffer, milliseconds{60'000});
            CHECK(!at_once);
            pair.send("more");  // A request that is there is served, as Connection::peek does.
            const auto more = co_await pair.server->read_next(buffer, milliseconds{60'000});
            CHECK(more == std::optional<std::size_t>{4});
            draining = 0;
        });
        std::thread stopping{[&] { draining = 1; }};  // Seen by itself, too.
        pair.run([&]() -> awaitable<void> {
            std::vector<std::byte> rest(16);
            while (co_await pair.server->read_next(rest, milliseconds{60'000}))
                continue;
        });
        stopping.join();
        CHECK(pair.server->exceeded() == Limit::none);
    }

    TEST_CASE("a body that comes below its floor times out, a steady one doesn't") {
        for (const bool steady : {false, true}) {
            CAPTURE(steady);
            Pair pair;
            pair.server->limits().body = milliseconds{200};
            pair.server->limits().body_rate = 1000;
            std::vector<std::byte> buffer(steady ? 2'000 : 1'000'000);
            const auto read = [&] {
                std::atomic<bool> over{false};
                std::thread writer{[&] {
                    const std::string piece(steady ? 100 : 1, 'x');
                    while (!over && ::send(pair.client.get(), piece.data(), piece.size(), MSG_NOSIGNAL) > 0)
                        std::this_thread::sleep_for(milliseconds{20});
                }};
                std::exception_ptr thrown;
                try {
                    pair.run([&]() -> awaitable<void> {
                        const bool whole = co_await pair.server->read_exactly(buffer);
                        CHECK(whole);
                    });
                } catch (...) {
                    thrown = std::current_exception();
                }
                over = true;
                writer.join();
                if (thrown) std::rethrow_exception(thrown);
            };
            if (steady)
                CHECK_NOTHROW(read());
            else
                CHECK_THROWS_AS(read(), TimedOut);
            CHECK(pair.server->exceeded() == (steady ? Limit::none : Limit::body));
        }
    }

    TEST_CASE("lingering lets an answer arrive though the client's request was not read") {
        Pair pair;
        std::thread client{[&] {
            const std::string request(8'000'000, 'x');
            CHECK(::send(pair.client.get(), request.data(), request.size(), MSG_NOSIGNAL) == 8'000'000);
            CHECK(read_until_end(pair.client.get()) == "no, thank you");
            pair.client.reset();
        }};
        pair.run([&]() -> awaitable<void> {
            co_await pair.server->write_all("no, thank you");
            co_await pair.server->linger();
        });
        pair.server->close();
        client.join();
    }

    TEST_CASE("lingering ends after a silence, and after some time in all whoever still sends") {
        Pair silent;
        silent.server->limits().linger = milliseconds{20};
        silent.run([&]() -> awaitable<void> { co_await silent.server->linger(); });

        Pair endless;
        endless.server->limits().linger_total = milliseconds{50};
        std::thread client{[&] {
            const std::string bytes(100'000, 'x');
            while (::send(endless.client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0)
                continue;
        }};
        endless.run([&]() -> awaitable<void> { co_await endless.server->linger(); });
        endless.server->close();
        client.join();
    }

    TEST_CASE("who lingers leaves other clients their turns, however much is sent") {
        Pair pair;
        SocketPair other = unix_sockets();
        AsyncConnection neighbour{pair.loop.get_executor(), std::move(other.server)};
        std::atomic<bool> served{false};
        std::thread client{[&] {
            const std::string bytes(100'000, 'x');
            while (!served)
                (void)!::send(pair.client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            pair.client.reset();
        }};
        say(other.client, "x");
        pair.run([&]() -> awaitable<void> {
            boost::asio::co_spawn(
                pair.loop,
                [&]() -> awaitable<void> {
                    std::vector<std::byte> buffer(1);
                    CHECK(co_await neighbour.read_some(buffer) == 1);
                    served = true;
                },
                boost::asio::detached);
            co_await pair.server->linger();
        });
        client.join();
        CHECK(served);
    }

    TEST_CASE("a connection that is closed while it waits ends the wait") {
        Pair pair;
        const auto read = [&]() -> awaitable<void> {
            boost::asio::post(pair.loop, [&] { pair.server->close(); });
            std::vector<std::byte> buffer(1);
            static_cast<void>(co_await pair.server->read_some(buffer));
        };
        CHECK_THROWS_AS(pair.run(read), std::system_error);
        CHECK(pair.server->exceeded() == Limit::none);
        CHECK(pair.server->fd() == -1);
    }

    TEST_CASE("a connection that ends leaves nothing behind, whatever its timer does") {
        const auto before = open_descriptors();
        {
            Pair pair;
            pair.server->limits().read = milliseconds{1};
            const auto read = [&]() -> awaitable<void> {
                std::vector<std::byte> buffer(1);
                try {
                    static_cast<void>(co_await pair.server->read_some(buffer));
                } catch (const TimedOut&) {
                }
                pair.server->limits().read = milliseconds{60'000};
                boost::asio::post(pair.loop, [&] { pair.send("x"); });
                static_cast<void>(co_await pair.server->read_some(buffer));
                pair.server.reset();  // A minute before its timer: the loop must end nevertheless.
            };
            pair.run(read);
            pair.loop.restart();
            pair.loop.run();
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("an asynchronous handler is made from a coroutine function") {
        Pair pair;
        const AsyncHandler none;
        const AsyncHandler greets = [](AsyncConnection& client) -> awaitable<void> {
            co_await client.write_all("hello");
        };
        CHECK(!none);
        REQUIRE(greets);
        pair.run([&] { return greets(*pair.server); });
        pair.server->close();
        CHECK(read_until_end(pair.client.get()) == "hello");
    }
}
