#include <bullpen/connection.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tests/core/connection_pair.hpp"
#include "tests/core/contents.hpp"

using namespace bullpen;
using std::chrono::milliseconds;

TEST_SUITE("core: connections") {
    TEST_CASE("ten megabytes are written whole to a client that reads slowly") {
        ConnectionPair pair = tcp_pair();
        const std::string bytes = many_bytes(10'000'000);
        std::string got;
        std::thread reader{[&] { got = read_until_end(pair.client.get()); }};
        pair.server.write_all(bytes);
        pair.worker.close();
        reader.join();
        CHECK(got == bytes);
    }

    TEST_CASE("read_exactly fills its buffer from many small pieces, and says when the client ended early") {
        ConnectionPair pair = tcp_pair();
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
        ConnectionPair pair = tcp_pair();
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
        ConnectionPair pair = tcp_pair();
        const UniqueFd file = file_of("short");
        CHECK_THROWS_AS(pair.server.send_file(file.get(), 0, 6), std::runtime_error);
    }

    TEST_CASE("a client that resets is gone, in reading and in writing") {
        ConnectionPair pair = tcp_pair();
        reset_by(pair.client);
        std::vector<std::byte> buffer(1);
        CHECK_THROWS_AS((void)pair.server.read_some(buffer), ClientGone);
        CHECK(pair.worker.client_gone());
        CHECK(pair.server.peer_address().text() == "unknown");

        ConnectionPair other = tcp_pair();
        reset_by(other.client);
        CHECK_THROWS_AS(other.server.write_all(many_bytes(1'000'000)), ClientGone);
    }

    TEST_CASE("lingering lets an answer arrive though the client's request was not read") {
        ConnectionPair pair = tcp_pair();
        std::thread client{[&] {
            const std::string request = many_bytes(8'000'000);
            CHECK(::send(pair.client.get(), request.data(), request.size(), MSG_NOSIGNAL) == 8'000'000);
            CHECK(read_until_end(pair.client.get()) == "no, thank you");
            pair.client.reset();
        }};
        pair.server.write_all("no, thank you");
        pair.server.linger();
        pair.worker.close();
        client.join();
    }

    TEST_CASE("lingering ends after a silence, and after some time in all whoever still sends") {
        ConnectionPair silent = tcp_pair();
        silent.server.limits().linger = milliseconds{20};
        silent.server.linger();  // For ever, if it didn't end.

        ConnectionPair endless = tcp_pair();
        endless.server.limits().linger_total = milliseconds{50};
        std::thread client{[&] {
            const std::string bytes = many_bytes(100'000);
            while (::send(endless.client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0)
                continue;
        }};
        endless.server.linger();
        endless.worker.close();
        client.join();
    }

    TEST_CASE("a client that was waited for with half a head is heard byte by byte when it lingers") {
        for (const bool turns : {false, true}) {
            ConnectionPair pair = tcp_pair();
            pair.server.wait_at_most({Limit::header}, 1000);
            pair.server.limits().linger = milliseconds{1};
            if (turns)
                (void)pair.server.linger_a_turn(Clock::now());
            else
                pair.server.linger();
            int low_water = 0;
            socklen_t size = sizeof low_water;
            REQUIRE(::getsockopt(pair.server.fd(), SOL_SOCKET, SO_RCVLOWAT, &low_water, &size) == 0);
            CHECK(low_water == 1);
        }
    }

    TEST_CASE("a turn of lingering takes what is there, up to a bound, and says whether more may come") {
        ConnectionPair pair = tcp_pair();
        pair.server.shutdown_write();
        CHECK(pair.server.linger_a_turn(Clock::now()));
        say(pair.client, std::string(100'000, 'x'));
        CHECK(pair.server.linger_a_turn(Clock::now()));
        CHECK_FALSE(pair.server.linger_a_turn(Clock::now() - pair.server.limits().linger_total));
        ::shutdown(pair.client.get(), SHUT_WR);
        CHECK_FALSE(pair.server.linger_a_turn(Clock::now()));

        ConnectionPair hose = pair_of(unix_sockets());
        constexpr int large = 8 << 20;
        ::setsockopt(hose.client.get(), SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof large);
        say(hose.client, std::string(2 << 20, 'x'));
        CHECK(hose.server.linger_a_turn(Clock::now()));
        int unread = 0;
        REQUIRE(::ioctl(hose.server.fd(), FIONREAD, &unread) == 0);
        CHECK(unread == 1 << 20);
    }

    TEST_CASE("both ends have addresses; credentials only over a UNIX socket") {
        ConnectionPair pair = tcp_pair();
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
        ConnectionPair pair = tcp_pair();
        const auto before = segments_in(pair.client.get());
        pair.server.write_last("bye");
        CHECK(read_until_end(pair.client.get()) == "bye");
        CHECK(segments_in(pair.client.get()) == before + 1);
        REQUIRE(::send(pair.client.get(), "x", 1, MSG_NOSIGNAL) == 1);
        std::array<std::byte, 4> buffer;
        CHECK(pair.server.read_some(buffer) == 1);
    }

    TEST_CASE("a socket that was made non-blocking for one call is blocking again, with its other flags") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            ConnectionPair pair = pair_of(make(), {.parks = true});
            const int socket = pair.server.fd();
            REQUIRE(::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NOATIME) == 0);
            const int flags = ::fcntl(socket, F_GETFL);
            CHECK_THROWS_AS((void)pair.server.send_file_some(file_of("short").get(), 0, 6),
                            std::runtime_error);
            CHECK(::fcntl(socket, F_GETFL) == flags);
            CHECK_THROWS_AS(pair.server.send_file(file_of("short").get(), 0, 6), std::runtime_error);
            CHECK(::fcntl(socket, F_GETFL) == flags);
        }
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
        ConnectionPair pair = tcp_pair({.parks = true});
        pair.server.cork(true);
        pair.server.write_all("answer");
        CHECK(unsent(pair.server.fd()) == 6);
        pair.worker.tidy();
        CHECK(!corked(pair.server.fd()));
        CHECK(unsent(pair.server.fd()) == 0);
        pair.server.write_before_more("answer");
        CHECK(unsent(pair.server.fd()) == 6);
        pair.worker.tidy();
        CHECK(unsent(pair.server.fd()) == 0);
    }

    TEST_CASE("as much is written as a client takes, and the rest when it takes more") {
        const std::atomic<std::uint32_t> wanted{1};
        const std::string bytes = many_bytes(20'000'000);
        const UniqueFd file = file_of(bytes);
        for (const bool from_file : {false, true}) {
            ConnectionPair pair = tcp_pair({.wanted = &wanted, .parks = true});
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
        ConnectionPair pair = tcp_pair();
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
}
