/// What a client's socket tells of its handoff, and how it ends.
#include <bullpen/detail/client_socket.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>

#include <array>

#include "tests/core/socket_pair.hpp"

using namespace bullpen;

namespace {

/// A socket of which somebody else, such as the master, has a copy.
struct Shared {
    HandoffNote note{};
    SocketPair sockets;
    UniqueFd copy;
    ClientSocket socket;

    explicit Shared(SocketPair pair, bool is_handed_over = true)
        : sockets{std::move(pair)},
          copy{::fcntl(sockets.server.get(), F_DUPFD_CLOEXEC, 0)},
          socket{std::move(sockets.server), is_handed_over ? HandoffProgress{note, 1} : HandoffProgress{}} {
        socket.handoff().receive({}, false);
    }

    void linger_for(int seconds) const {
        const linger how{.l_onoff = 1, .l_linger = seconds};
        REQUIRE(::setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &how, sizeof how) == 0);
    }

    /// Whether the client sees the end now.
    [[nodiscard]] bool has_ended() const {
        char byte = 0;
        return ::recv(sockets.client.get(), &byte, 1, MSG_DONTWAIT) == 0;
    }

    /// Whether the copy's holder and the client can still talk.
    [[nodiscard]] bool goes_on() const {
        char byte = 0;
        return ::send(copy.get(), "x", 1, MSG_NOSIGNAL) == 1 &&
               ::recv(sockets.client.get(), &byte, 1, 0) == 1 &&
               ::send(sockets.client.get(), "y", 1, MSG_NOSIGNAL) == 1 &&
               ::recv(copy.get(), &byte, 1, 0) == 1;
    }
};

}  // namespace

TEST_SUITE("core: a client's socket and its end") {
    TEST_CASE(
        "a close ends a connection of which the master has a copy, so that the client sees it at once") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            Shared shared{make()};
            CHECK(shared.socket.close() == Closed::in_order);
            CHECK(shared.has_ended());
            CHECK(shared.note.read().progress == Progress::touched);
            CHECK(shared.socket.fd() == -1);
        }
    }

    TEST_CASE("a connection that nobody handed over is only closed: its copies are somebody's own") {
        Shared shared{unix_sockets(), false};
        CHECK(shared.socket.close() == Closed::in_order);
        CHECK(shared.goes_on());
    }

    TEST_CASE("a handler that has set SO_LINGER with time 0 wants a reset, which the last close brings") {
        Shared shared{tcp_sockets()};
        CHECK(shared.socket.lend() == shared.socket.fd());
        shared.linger_for(0);
        CHECK(shared.socket.close() == Closed::reset);
        CHECK_FALSE(shared.has_ended());
        shared.copy.reset();
        pollfd client{.fd = shared.sockets.client.get(), .events = 0, .revents = 0};
        constexpr int patience_ms = 20'000;
        CHECK(::poll(&client, 1, patience_ms) == 1);
        CHECK((client.revents & POLLERR) != 0);
    }

    TEST_CASE("any other SO_LINGER, and one of which nobody can be the author, ends it in order") {
        for (const bool is_lent : {true, false}) {
            Shared shared{tcp_sockets()};
            if (is_lent) (void)shared.socket.lend();
            shared.linger_for(is_lent ? 5 : 0);
            CHECK(shared.socket.close() == Closed::in_order);
            CHECK(shared.has_ended());
        }
    }

    TEST_CASE("a connection left to a child isn't ended by the close, nor one that goes on") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            Shared detached{make()};
            detached.socket.detach();
            CHECK(detached.socket.close() == Closed::in_order);
            CHECK(detached.goes_on());
            Shared released{make()};
            released.socket.release();
            CHECK(released.goes_on());
            CHECK(released.note.read().progress == Progress::received);
        }
    }

    TEST_CASE("after the output's end the client may still be reading its answer: the close adds nothing") {
        Shared shared{tcp_sockets()};
        shared.socket.end_output();
        CHECK(shared.note.read().progress == Progress::touched);
        CHECK(shared.has_ended());
        CHECK(shared.socket.close() == Closed::in_order);
        say(shared.sockets.client, "x");
        char byte = 0;
        CHECK(::recv(shared.copy.get(), &byte, 1, 0) == 1);
    }

    TEST_CASE("a second close does nothing") {
        Shared shared{unix_sockets()};
        (void)shared.socket.close();
        CHECK(shared.socket.close() == Closed::in_order);
    }
}

TEST_SUITE("core: what a client's socket tells of its handoff") {
    TEST_CASE("calls that take nothing tell nothing, and those that may take something tell it") {
        Shared shared{tcp_sockets()};
        say(shared.sockets.client, "x");
        std::array<std::byte, 8> buffer;
        (void)shared.socket.fd();
        shared.socket.set_low_water(2);
        shared.socket.set_timeouts(std::chrono::milliseconds{100});
        CHECK(shared.socket.receive(buffer, MSG_PEEK) == 1);
        CHECK(shared.note.read().progress == Progress::received);
        CHECK(shared.socket.exchanged());
        CHECK(shared.socket.fd_to_touch() == shared.socket.fd());
        CHECK(shared.note.read().progress == Progress::touched);
    }

    TEST_CASE("a read that finds nothing goes back to what was told before") {
        std::array<std::byte, 8> buffer;
        for (const bool exchanged : {true, false}) {
            Shared shared{tcp_sockets()};
            if (exchanged) shared.socket.set_exchanged();
            shared.socket.handoff().keep({}, exchanged);
            CHECK_FALSE(shared.socket.receive(buffer, MSG_DONTWAIT));
            CHECK(shared.note.read().progress == Progress::kept);
            CHECK(shared.note.read().exchanged == exchanged);
            shared.socket.handoff().begin(exchanged);
            CHECK_FALSE(shared.socket.receive(buffer, MSG_DONTWAIT));
            CHECK(shared.note.read().progress == Progress::begun);
            say(shared.sockets.client, "x");
            CHECK(shared.socket.receive(buffer, 0) == 1);
            CHECK(shared.note.read().progress == Progress::touched);
            CHECK_FALSE(shared.socket.receive(buffer, MSG_DONTWAIT));
            CHECK(shared.note.read().progress == Progress::touched);
        }
    }
}
