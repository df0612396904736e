#include "core/connection.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "core/handler.hpp"
#include "core/listener.hpp"

using namespace bullpen;
using std::chrono::milliseconds;

namespace {

struct Pair {
    Connection server;
    UniqueFd client;
};

Pair tcp_pair(ServerView view = {}) {
    const Listener listener = Listener::open(resolve("127.0.0.1:0").front(), {});
    UniqueFd client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const Address address = listener.address();
    REQUIRE(::connect(client.get(), address.data(), address.size()) == 0);
    return {Connection{UniqueFd{::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC)}, view},
            std::move(client)};
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

void reset_by(UniqueFd& client) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    client.reset();
}

}  // namespace

TEST_SUITE("core: connections") {
    TEST_CASE("ten megabytes are written whole to a client that reads slowly") {
        Pair pair = tcp_pair();
        const std::string bytes = many_bytes(10'000'000);
        std::string got;
        std::thread reader{[&] { got = read_until_end(pair.client.get()); }};
        pair.server.write_all(bytes);
        pair.server.close();
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
        pair.server.close();
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
        CHECK(pair.server.client_gone());
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
        CHECK(pair.server.exceeded() == Limit::read);
    }

    TEST_CASE("a client that reads nothing runs into the write limit") {
        Pair pair = tcp_pair();
        pair.server.set_socket_timeouts(milliseconds{50});
        pair.server.limits().write = milliseconds{200};
        CHECK_THROWS_AS(pair.server.write_all(many_bytes(50'000'000)), TimedOut);
        CHECK(pair.server.exceeded() == Limit::write);
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
        CHECK(pair.server.exceeded() == Limit::idle);
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
        pair.server.close();
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
}
