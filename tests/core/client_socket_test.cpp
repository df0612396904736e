#include <bullpen/detail/client_socket.hpp>

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/time.h>

#include <array>
#include <thread>
#include <utility>

#include "tests/core/socket_pair.hpp"

using namespace bullpen;
using std::chrono::milliseconds;

namespace {

constexpr std::chrono::hours for_ever{1};  // Whoever waits for it hangs.

std::array<char, sizeof(timeval)> option(const ClientSocket& socket, int name) {
    std::array<char, sizeof(timeval)> value{};
    socklen_t size = value.size();
    REQUIRE(::getsockopt(socket.fd(), SOL_SOCKET, name, value.data(), &size) == 0);
    return value;
}

}  // namespace

TEST_SUITE("core: a client's socket") {
    TEST_CASE("nothing there, some bytes and the end are told apart") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            SocketPair sockets = make();
            ClientSocket server{std::move(sockets.server)};
            std::array<std::byte, 16> buffer;
            CHECK(!server.receive(buffer, MSG_DONTWAIT));
            say(sockets.client, "some");
            CHECK(server.receive(buffer, 0) == 4);
            ::shutdown(sockets.client.get(), SHUT_WR);
            CHECK(server.receive(buffer, 0) == 0);
            CHECK(!server.failure().client_gone());
        }
    }

    TEST_CASE("a receive that may wait does so for the socket's time") {
        SocketPair sockets = unix_sockets();
        ClientSocket server{std::move(sockets.server)};
        server.set_timeouts(milliseconds{1});
        std::array<std::byte, 16> buffer;
        CHECK(!server.receive(buffer, 0));
    }

    TEST_CASE("a client that has reset the connection is gone") {
        SocketPair sockets = tcp_sockets();
        ClientSocket server{std::move(sockets.server)};
        reset_by(sockets.client);
        std::array<std::byte, 16> buffer;
        CHECK_THROWS_AS((void)server.receive(buffer, 0), ClientGone);
        CHECK(server.failure().client_gone());
    }

    TEST_CASE("a client that has ended its side has, though what it sent is still to be read") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            SocketPair sockets = make();
            const ClientSocket server{std::move(sockets.server)};
            say(sockets.client, "some");
            CHECK(server.wait_for(POLLIN, for_ever));
            CHECK(!server.has_ended());
            ::shutdown(sockets.client.get(), SHUT_WR);
            CHECK(server.wait_for(POLLRDHUP, for_ever));
            CHECK(server.has_ended());
        }
    }

    TEST_CASE("below the low water a TCP socket isn't reported readable") {
        SocketPair sockets = tcp_sockets();
        const ClientSocket server{std::move(sockets.server)};
        server.set_low_water(5);
        say(sockets.client, "half");
        CHECK(!server.wait_for(POLLIN, milliseconds{10}));
        say(sockets.client, "!");
        CHECK(server.wait_for(POLLIN, for_ever));
    }

    TEST_CASE("a byte behind others is waited for on a UNIX socket, or the end, and both stay there") {
        for (const bool ends : {false, true}) {
            SocketPair sockets = unix_sockets();
            ClientSocket server{std::move(sockets.server)};
            say(sockets.client, "half");
            std::thread client{[&] {
                if (ends)
                    ::shutdown(sockets.client.get(), SHUT_WR);
                else
                    say(sockets.client, "!");
            }};
            server.wait_for_byte(4, for_ever);
            client.join();
            std::array<std::byte, 16> buffer;
            CHECK(server.receive(buffer, MSG_DONTWAIT) == (ends ? 4 : 5));
        }
    }

    TEST_CASE("what was set to wait for a byte behind others is as it was before") {
        SocketPair sockets = unix_sockets();
        ClientSocket server{std::move(sockets.server)};
        server.set_timeouts(milliseconds{30});
        say(sockets.client, "half");
        const auto wait = option(server, SO_RCVTIMEO);
        const auto offset = option(server, SO_PEEK_OFF);
        server.wait_for_byte(4, milliseconds{10});
        CHECK(option(server, SO_RCVTIMEO) == wait);
        CHECK(option(server, SO_PEEK_OFF) == offset);
    }
}
