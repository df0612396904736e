#include "core/connection.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "core/clock.hpp"
#include "core/handler.hpp"
#include "core/listener.hpp"
#include "core/served_connection.hpp"
#include "tests/core/socket_pair.hpp"

using namespace bullpen;
using std::chrono::milliseconds;

namespace {

/// `server` is what the handler sees of `worker`.
struct Pair {
    Pair(SocketPair sockets, ServerView view)
        : worker{std::move(sockets.server), view}, client{std::move(sockets.client)} {}
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;

    ServedConnection worker;
    Connection& server = worker.connection();
    UniqueFd client;
};

Pair pair_of(SocketPair sockets, ServerView view = {}) {
    return {std::move(sockets), view};
}

constexpr milliseconds for_ever{3'600'000};  // Whoever waits for it hangs.

Pair tcp_pair(ServerView view = {}) {
    return pair_of(tcp_sockets(), view);
}

std::string read_until_end(int fd) {
    std::string all;
    char buffer[65536];
    for (ssize_t size; (size = ::read(fd, buffer, sizeof buffer)) > 0;)
        all.append(buffer, static_cast<std::size_t>(size));
    return all;
}

UniqueFd file_of(const std::string& contents) {
    UniqueFd file{::memfd_create("test", MFD_CLOEXEC)};
    REQUIRE(::write(file.get(), contents.data(), contents.size()) == static_cast<ssize_t>(contents.size()));
    return file;
}

std::string many_bytes(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<char>(i * 31 + i / 251);
    return bytes;
}

std::string text_of(const std::vector<std::byte>& buffer, std::size_t size) {
    return {reinterpret_cast<const char*>(buffer.data()), size};
}

}  // namespace

TEST_SUITE("core: connections") {
    TEST_CASE("ten megabytes are written whole to a client that reads slowly") {
        Pair pair = tcp_pair();
        const std::string bytes = many_bytes(10'000'000);
        std::string got;
        std::thread reader{[&] { got = read_until_end(pair.client.get()); }};
        pair.server.write_all(bytes);
        pair.worker.close();
        reader.join();
        CHECK(got == bytes);
    }

    TEST_CASE("read_exactly fills its buffer from many small pieces, and says when the client ended early") {
        Pair pair = tcp_pair();
        std::thread writer{[&] {
            for (const char* piece : {"he", "l", "lo wo", "rld"})
                (void)!::write(pair.client.get(), piece, strlen(piece));
            ::shutdown(pair.client.get(), SHUT_WR);
        }};
        std::vector<std::byte> buffer(11);
        CHECK(pair.server.read_exactly(buffer));
        CHECK(std::string(reinterpret_cast<char*>(buffer.data()), buffer.size()) == "hello world");
        CHECK(!pair.server.read_exactly(buffer));
        writer.join();
    }

    TEST_CASE("a file is sent from an offset, behind a head, and the file's own offset stays") {
        Pair pair = tcp_pair();
        const std::string contents = many_bytes(3'000'000);
        const UniqueFd file = file_of(contents);
        const off_t at = ::lseek(file.get(), 0, SEEK_CUR);
        std::string got;
        std::thread reader{[&] { got = read_until_end(pair.client.get()); }};
        pair.server.cork(true);
        pair.server.write_before_more("head:");
        pair.server.send_file(file.get(), 1000, contents.size() - 1000);
        pair.server.cork(false);
        pair.worker.close();
        reader.join();
        CHECK(got == "head:" + contents.substr(1000));
        CHECK(::lseek(file.get(), 0, SEEK_CUR) == at);
    }

    TEST_CASE("a file that became shorter is noticed") {
        Pair pair = tcp_pair();
        const UniqueFd file = file_of("short");
        CHECK_THROWS_AS(pair.server.send_file(file.get(), 0, 6), std::runtime_error);
    }

    TEST_CASE("a client that resets is gone, in reading and in writing") {
        Pair pair = tcp_pair();
        reset_by(pair.client);
        std::vector<std::byte> buffer(1);
        CHECK_THROWS_AS((void)pair.server.read_some(buffer), ClientGone);
        CHECK(pair.worker.client_gone());
        CHECK(pair.server.peer_address().text() == "unknown");

        Pair other = tcp_pair();
        reset_by(other.client);
        CHECK_THROWS_AS(other.server.write_all(many_bytes(1'000'000)), ClientGone);
    }

    TEST_CASE("a silent client runs into the read limit") {
        Pair pair = tcp_pair();
        pair.server.limits().read = milliseconds{300};
        std::vector<std::byte> buffer(1);
        CHECK_THROWS_AS((void)pair.server.read_some(buffer), TimedOut);
        CHECK(pair.worker.exceeded() == Limit::read);
    }

    TEST_CASE("a client that reads nothing runs into the write limit") {
        Pair pair = tcp_pair();
        pair.server.set_socket_timeouts(milliseconds{50});
        pair.server.limits().write = milliseconds{200};
        CHECK_THROWS_AS(pair.server.write_all(many_bytes(50'000'000)), TimedOut);
        CHECK(pair.worker.exceeded() == Limit::write);
    }

    TEST_CASE(
        "waiting for the next request ends when there is no spare worker, at a stop, and at its limit") {
        std::atomic<std::uint32_t> spare{1};
        std::atomic<std::uint32_t> draining{0};
        Pair pair = tcp_pair({.spare = &spare, .draining = &draining});
        std::vector<std::byte> buffer(16);
        REQUIRE(::write(pair.client.get(), "next", 4) == 4);
        const auto peeked = pair.server.peek(buffer, {});
        REQUIRE(peeked);
        CHECK(peeked->size == 4);
        CHECK(!peeked->ended);
        pair.server.take(std::span{buffer}.first(4));
        const auto soon = Clock::now() + milliseconds{300};
        CHECK_THROWS_AS((void)pair.server.peek(buffer, {Limit::idle, soon}), TimedOut);
        CHECK(pair.worker.exceeded() == Limit::idle);
        spare = 0;
        CHECK(!pair.server.peek(buffer, {}));
        spare = 1;
        draining = 1;
        CHECK(!pair.server.peek(buffer, {}));
    }

    TEST_CASE("lingering lets an answer arrive though the client's request was not read") {
        Pair pair = tcp_pair();
        std::thread client{[&] {
            const std::string request(200'000, 'x');
            (void)!::write(pair.client.get(), request.data(), request.size());
            CHECK(read_until_end(pair.client.get()) == "no, thank you");
            pair.client.reset();
        }};
        pair.server.write_all("no, thank you");
        pair.server.linger(milliseconds{5000});
        pair.worker.close();
        client.join();
    }

    TEST_CASE("both ends have addresses; credentials only over a UNIX socket") {
        Pair pair = tcp_pair();
        CHECK(pair.server.peer_address().text().find("127.0.0.1:") == 0);
        CHECK(pair.server.local_address().port() != 0);
        CHECK(!pair.server.peer_credentials());

        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        const UniqueFd other{ends[1]};
        const Connection local{UniqueFd{ends[0]}};
        REQUIRE(local.peer_credentials());
        CHECK(local.peer_credentials()->pid == ::getpid());
    }

    TEST_CASE("the last bytes and the end leave in one segment, and reading goes on") {
        const auto segments_in = [](int fd) {
            tcp_info info{};
            socklen_t size = sizeof info;
            REQUIRE(::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
            return info.tcpi_segs_in;
        };
        Pair pair = tcp_pair();
        const auto before = segments_in(pair.client.get());
        pair.server.write_last("bye");
        CHECK(read_until_end(pair.client.get()) == "bye");
        CHECK(segments_in(pair.client.get()) == before + 1);
        REQUIRE(::send(pair.client.get(), "x", 1, MSG_NOSIGNAL) == 1);
        std::array<std::byte, 4> buffer;
        CHECK(pair.server.read_some(buffer) == 1);
    }

    TEST_CASE("a handler is made from what returns void or Next, and keeps its own things") {
        Pair pair = tcp_pair();
        int calls = 0;
        const Handler plain = [&calls](Connection&) { ++calls; };
        const Handler chosen = [&calls](Connection&) {
            ++calls;
            return Next::close;
        };
        CHECK(plain(pair.server) == Next::close);
        CHECK(chosen(pair.server) == Next::close);
        CHECK(calls == 2);
    }

    TEST_CASE("what was only looked at is still there, for whoever takes it") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            Pair pair = pair_of(make());
            std::vector<std::byte> buffer(16);
            say(pair.client, "one two");
            for (int look = 0; look < 2; ++look) {
                const auto peeked = pair.server.peek(buffer, {});
                REQUIRE(peeked);
                CHECK(text_of(buffer, peeked->size) == "one two");
                CHECK(!peeked->ended);
            }
            pair.server.take(std::span{buffer}.first(4));
            CHECK(pair.server.peek(buffer, {})->size == 3);
            CHECK(text_of(buffer, 3) == "two");
            ::shutdown(pair.client.get(), SHUT_WR);
            pair.server.take(std::span{buffer}.first(3));
            const auto end = pair.server.peek(buffer, {});
            REQUIRE(end);
            CHECK(end->size == 0);
            CHECK(end->ended);
        }
    }

    TEST_CASE("more than was seen is waited for until it comes, or the client's end") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            for (const bool ends : {false, true}) {
                Pair pair = pair_of(make());
                pair.server.set_socket_timeouts(milliseconds{10});
                std::vector<std::byte> buffer(16);
                say(pair.client, "half");
                const clock_t cpu_before = ::clock();
                std::thread client{[&] {
                    ::usleep(200'000);  // The rate of a slow client: the wait is to be one, and no spinning.
                    if (ends)
                        ::shutdown(pair.client.get(), SHUT_WR);
                    else
                        say(pair.client, "!");
                }};
                const auto peeked = pair.server.peek(buffer, {Limit::header}, 4);
                client.join();
                CHECK(::clock() - cpu_before < CLOCKS_PER_SEC / 10);
                REQUIRE(peeked);
                CHECK(peeked->size == (ends ? 4 : 5));
                CHECK(peeked->ended == ends);
            }
        }
    }

    TEST_CASE("who is in the middle of something runs into that limit, and at a stop is waited for") {
        const std::atomic<std::uint32_t> none{0};
        const std::atomic<std::uint32_t> yes{1};
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            Pair pair = pair_of(make(), {.spare = &none, .draining = &yes});
            pair.server.set_socket_timeouts(milliseconds{10});
            pair.server.limits().header = milliseconds{100};
            std::vector<std::byte> buffer(16);
            say(pair.client, "half");
            CHECK_THROWS_AS((void)pair.server.peek(buffer, {Limit::header}, 4), TimedOut);
            CHECK(pair.worker.exceeded() == Limit::header);
        }
    }

    TEST_CASE("a connection that can be given back is not waited for when somebody else waits") {
        const std::atomic<std::uint32_t> wanted{1};
        Pair pair = tcp_pair({.wanted = &wanted, .parks = true, .await_next = for_ever});
        pair.server.set_socket_timeouts(milliseconds{0});
        std::vector<std::byte> buffer(16);
        CHECK(!pair.server.peek(buffer, {}));
        CHECK(pair.worker.parking().limit == Limit::idle);
        CHECK(pair.worker.parking().input_at_least == 1);
        say(pair.client, "half");
        const TimePoint deadline = Clock::now() + std::chrono::hours{1};
        CHECK(!pair.server.peek(buffer, {Limit::header, deadline}, 4));
        CHECK(pair.worker.parking().limit == Limit::header);
        CHECK(TimePoint{std::chrono::nanoseconds{pair.worker.parking().deadline_ns}} == deadline);
        CHECK(pair.worker.parking().input_at_least == 5);
        int low_water = 0;
        socklen_t size = sizeof low_water;
        REQUIRE(::getsockopt(pair.server.fd(), SOL_SOCKET, SO_RCVLOWAT, &low_water, &size) == 0);
        CHECK(low_water == 5);
        ::shutdown(pair.client.get(), SHUT_WR);
        const auto peeked = pair.server.peek(buffer, {Limit::header}, 4);
        REQUIRE(peeked);
        CHECK(peeked->size == 4);
        CHECK(peeked->ended);
        CHECK(pair.server.read_some(buffer) == 4);  // Less than it waited for before.
    }

    TEST_CASE("while no client waits for a worker the next request is waited for a moment") {
        const std::atomic<std::uint32_t> wanted{0};
        const std::atomic<std::uint32_t> draining{1};
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            Pair pair = pair_of(make(), {.wanted = &wanted, .parks = true, .await_next = for_ever});
            pair.server.set_socket_timeouts(milliseconds{0});
            std::vector<std::byte> buffer(16);
            std::thread client{[&] { say(pair.client, "next"); }};
            CHECK(pair.server.peek(buffer, {})->size == 4);
            client.join();
            Pair stopping = pair_of(make(), {.draining = &draining, .parks = true, .await_next = for_ever});
            CHECK(!stopping.server.peek(buffer, {}));
            Pair never = pair_of(make(), {.wanted = &wanted, .parks = true, .await_next = milliseconds{0}});
            never.server.set_socket_timeouts(milliseconds{0});
            CHECK(!never.server.peek(buffer, {}));
            CHECK(never.worker.parking().deadline_ns == 0);
            say(never.client, "next");
            CHECK(never.server.peek(buffer, {})->size == 4);
        }
    }

    TEST_CASE("after vain waits a client is waited for ever more seldom, until it speaks in time") {
        Pair pair = tcp_pair({.parks = true, .await_next = milliseconds{1}});
        std::vector<std::byte> buffer(16);
        std::string waits;
        for (int turn = 0; turn < 12; ++turn) {
            const auto before = pair.worker.parking().in_vain;
            CHECK(!pair.server.peek(buffer, {}));
            waits += pair.worker.parking().in_vain > before ? '+' : '.';
        }
        CHECK(waits == "+.+...+.....");
        say(pair.client, "late");  // Looked at without a wait: that it was in time can't be said.
        CHECK(pair.server.peek(buffer, {})->size == 4);
        CHECK(pair.worker.parking().in_vain == 3);
        pair.worker.parking().skips = 0;
        pair.server.take(std::span{buffer}.first(4));
        say(pair.client, "soon");
        CHECK(pair.server.peek(buffer, {})->size == 4);
        CHECK(pair.worker.parking().in_vain == 0);
    }

    TEST_CASE("what a vain wait took is taken from the time that the client has in all") {
        Pair pair = tcp_pair({.parks = true, .await_next = milliseconds{20}});
        pair.server.limits().idle = milliseconds{50};
        std::vector<std::byte> buffer(16);
        const TimePoint begun = Clock::now();
        CHECK(!pair.server.peek(buffer, {}));
        const TimePoint given_back = Clock::now();
        const TimePoint deadline{std::chrono::nanoseconds{pair.worker.parking().deadline_ns}};
        CHECK(deadline >= begun + milliseconds{50});
        CHECK(deadline <= given_back + milliseconds{30});
    }

    TEST_CASE("a message on the channel ends the wait for the next request, and for room") {
        for (const bool for_room : {false, true}) {
            CAPTURE(for_room);
            SocketPair channel = unix_sockets();
            std::atomic<std::uint64_t> awaiting_since_ns{0};
            Pair pair = tcp_pair({.parks = true,
                                  .channel = channel.server.get(),
                                  .await_next = for_ever,
                                  .awaiting_since_ns = &awaiting_since_ns});
            std::vector<std::byte> buffer(16);
            const std::string bytes = many_bytes(20'000'000);
            if (for_room) {  // The waits for room are short by themselves: here they don't even begin.
                say(channel.client, "x");
                CHECK(pair.server.write_some(bytes) < bytes.size());
            } else {
                std::thread master{[&] {
                    while (awaiting_since_ns == 0)
                        std::this_thread::yield();
                    say(channel.client, "x");
                }};
                CHECK(!pair.server.peek(buffer, {}));
                master.join();
            }
            CHECK(awaiting_since_ns == 0);
            CHECK(pair.worker.parking().in_vain == 0);  // It is no fault of the client's.
            say(pair.client, "next");
            CHECK(pair.server.peek(buffer, {})->size == 4);  // First of the two.
        }
    }

    TEST_CASE("a wait that the master ends after its time was in vain, one that it ends before was not") {
        for (const auto waited : {milliseconds{0}, milliseconds{5}}) {
            CAPTURE(waited.count());
            SocketPair channel = unix_sockets();
            std::atomic<std::uint64_t> awaiting_since_ns{0};
            const milliseconds moment = waited.count() == 0 ? milliseconds{60'000} : waited;
            Pair pair = tcp_pair({.parks = true,
                                  .channel = channel.server.get(),
                                  .await_next = moment,
                                  .awaiting_since_ns = &awaiting_since_ns});
            std::vector<std::byte> buffer(16);
            std::thread master{[&] {
                while (awaiting_since_ns == 0)
                    std::this_thread::yield();
                while (monotonic_ns() - awaiting_since_ns <
                       static_cast<std::uint64_t>(std::chrono::nanoseconds{waited}.count()))
                    std::this_thread::yield();
                say(channel.client, "x");
            }};
            CHECK(!pair.server.peek(buffer, {}));
            master.join();
            CHECK(pair.worker.parking().in_vain == (waited.count() == 0 ? 0 : 1));
        }
    }

    TEST_CASE("half a head on a UNIX socket keeps no worker that can give it back") {
        const std::atomic<std::uint32_t> wanted{0};
        Pair pair = pair_of(unix_sockets(), {.wanted = &wanted, .parks = true, .await_next = for_ever});
        std::vector<std::byte> buffer(16);
        say(pair.client, "half");
        CHECK(!pair.server.peek(buffer, {Limit::header}, 4));
        CHECK(pair.worker.parking().input_at_least == 5);
        say(pair.client, "!");
        CHECK(pair.server.peek(buffer, {Limit::header}, 4)->size == 5);
    }

    TEST_CASE("a silent client wakes the worker that waits for it once, and not again and again") {
        std::vector<std::byte> buffer(16);
        const auto wakes_in = [&](auto wait) {
            Pair pair = tcp_pair();
            pair.server.set_socket_timeouts(milliseconds{2});
            for (const auto limit : {&TimeLimits::read, &TimeLimits::header, &TimeLimits::body})
                pair.server.limits().*limit = milliseconds{150};
            rusage before{};
            ::getrusage(RUSAGE_THREAD, &before);
            CHECK_THROWS_AS(wait(pair.server), TimedOut);
            rusage after{};
            ::getrusage(RUSAGE_THREAD, &after);
            return after.ru_nvcsw - before.ru_nvcsw;
        };
        constexpr long few = 10;  // Of the socket's slices there are 75.
        CHECK(wakes_in([&](Connection& server) { (void)server.read_some(buffer); }) < few);
        CHECK(wakes_in([&](Connection& server) { (void)server.read_exactly(buffer); }) < few);
        CHECK(wakes_in([&](Connection& server) { (void)server.peek(buffer, {Limit::header}); }) < few);
    }

    TEST_CASE("nothing that was switched on for one call stays on") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            Pair pair = pair_of(make(), {.parks = true});
            const int socket = pair.server.fd();
            REQUIRE(::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NOATIME) == 0);
            const int flags = ::fcntl(socket, F_GETFL);
            CHECK_THROWS_AS((void)pair.server.send_file_some(file_of("short").get(), 0, 6),
                            std::runtime_error);
            CHECK(::fcntl(socket, F_GETFL) == flags);
            CHECK_THROWS_AS(pair.server.send_file(file_of("short").get(), 0, 6), std::runtime_error);
            CHECK(::fcntl(socket, F_GETFL) == flags);
        }
        Pair pair = pair_of(unix_sockets());
        pair.server.set_socket_timeouts(milliseconds{30});
        pair.server.limits().header = milliseconds{10};
        const auto option = [&](int name) {
            std::array<char, sizeof(timeval)> value{};
            socklen_t size = value.size();
            REQUIRE(::getsockopt(pair.server.fd(), SOL_SOCKET, name, value.data(), &size) == 0);
            return value;
        };
        std::vector<std::byte> buffer(16);
        say(pair.client, "half");
        const auto wait = option(SO_RCVTIMEO);
        const auto offset = option(SO_PEEK_OFF);
        CHECK_THROWS_AS((void)pair.server.peek(buffer, {Limit::header}, 4), TimedOut);
        CHECK(option(SO_RCVTIMEO) == wait);
        CHECK(option(SO_PEEK_OFF) == offset);
    }

    TEST_CASE("what is corked leaves before the connection is parked") {
        const auto corked = [](int fd) {
            int on = 0;
            socklen_t size = sizeof on;
            REQUIRE(::getsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, &size) == 0);
            return on != 0;
        };
        const auto unsent = [](int fd) {
            int bytes = 0;
            REQUIRE(::ioctl(fd, SIOCOUTQNSD, &bytes) == 0);
            return bytes;
        };
        Pair pair = tcp_pair({.parks = true});
        pair.server.cork(true);
        pair.server.write_all("answer");
        CHECK(unsent(pair.server.fd()) == 6);
        pair.worker.uncork();
        CHECK(!corked(pair.server.fd()));
        CHECK(unsent(pair.server.fd()) == 0);
        pair.server.write_before_more("answer");
        CHECK(unsent(pair.server.fd()) == 6);
        pair.worker.uncork();
        CHECK(unsent(pair.server.fd()) == 0);
    }

    TEST_CASE("as much is written as a client takes, and the rest when it takes more") {
        const std::atomic<std::uint32_t> wanted{1};
        const std::string bytes = many_bytes(20'000'000);
        const UniqueFd file = file_of(bytes);
        for (const bool from_file : {false, true}) {
            Pair pair = tcp_pair({.wanted = &wanted, .parks = true});
            pair.server.set_socket_timeouts(milliseconds{0});  // For ever: whoever waits here hangs.
            const auto send_from = [&](std::size_t offset) {
                const std::size_t left = bytes.size() - offset;
                return from_file ? pair.server.send_file_some(file.get(), static_cast<off_t>(offset), left)
                                 : pair.server.write_some(std::string_view{bytes}.substr(offset));
            };
            CHECK(pair.server.is_writable());
            std::size_t sent = 0;
            while (const std::size_t size = send_from(sent))
                sent += size;
            CHECK(sent > 0);
            CHECK(sent < bytes.size());
            CHECK(!pair.server.is_writable());
            std::string got;
            std::thread reader{[&] { got = read_until_end(pair.client.get()); }};
            while (sent < bytes.size()) {
                REQUIRE(pair.worker.wait_here(Await::output));
                sent += send_from(sent);
            }
            pair.worker.close();
            reader.join();
            CHECK((got == bytes));
        }
    }

    TEST_CASE("where nothing can be given back, all is written") {
        Pair pair = tcp_pair();
        const std::string bytes = many_bytes(5'000'000);
        const UniqueFd file = file_of(bytes);
        std::string got;
        std::thread reader{[&] { got = read_until_end(pair.client.get()); }};
        CHECK(pair.server.write_some(bytes, true) == bytes.size());
        CHECK(pair.server.send_file_some(file.get(), 0, bytes.size()) == bytes.size());
        pair.worker.close();
        reader.join();
        CHECK((got == bytes + bytes));
    }

    TEST_CASE("waiting here ends with input, with the limit, and between requests at a stop") {
        std::atomic<std::uint32_t> draining{0};
        Pair pair = tcp_pair({.draining = &draining});
        CHECK(pair.worker.wait_here(Await::output));
        say(pair.client, "x");
        CHECK(pair.worker.wait_here(Await::input));
        std::vector<std::byte> buffer(16);
        CHECK(pair.server.read_some(buffer) == 1);
        draining = 1;
        CHECK(!pair.worker.wait_here(Await::input));
        draining = 0;
        Pair other = tcp_pair();
        other.server.limits().header = milliseconds{10};
        other.server.wait_at_most({Limit::header});
        CHECK_THROWS_AS((void)other.worker.wait_here(Await::input), TimedOut);
        CHECK(other.worker.exceeded() == Limit::header);
    }

    TEST_CASE("input is thrown away until the client ends its side, or sends too much") {
        Pair pair = tcp_pair();
        CHECK(pair.server.discard_input());
        say(pair.client, many_bytes(40'000));
        CHECK(pair.server.discard_input());
        std::vector<std::byte> buffer(16);
        CHECK(::recv(pair.server.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT) == -1);
        ::shutdown(pair.client.get(), SHUT_WR);
        CHECK(!pair.server.discard_input());

        // More than it throws away at once.
        Pair hose = pair_of(unix_sockets());
        constexpr int large = 8 << 20;
        ::setsockopt(hose.client.get(), SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof large);
        say(hose.client, std::string(2 << 20, 'x'));
        CHECK(!hose.server.discard_input());
    }
}
