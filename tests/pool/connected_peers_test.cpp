#include "pool/connected_peers.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <bullpen/clock.hpp>
#include "core/datagram_batch.hpp"
#include "core/resolve.hpp"

using namespace bullpen;

namespace {

constexpr auto never = DatagramBatch::Wait::never;
constexpr std::uint64_t quick_ns = 2'000;

struct Client {
    explicit Client(const Address& server) : socket{::socket(server.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
        REQUIRE(::connect(socket.get(), server.data(), server.size()) == 0);
    }
    void send(int count) const {
        for (int i = 0; i < count; ++i)
            REQUIRE(::send(socket.get(), "x", 1, 0) == 1);
    }
    /// Answers from the address that was asked; the kernel drops others, because it is connected.
    int receive() const {
        int count = 0;
        char answer = 0;
        pollfd readable{.fd = socket.get(), .events = POLLIN, .revents = 0};
        while (::poll(&readable, 1, 200) == 1 && ::recv(socket.get(), &answer, 1, 0) == 1)
            ++count;
        return count;
    }

    UniqueFd socket;
};

/// A worker that answers, with a listener at `where` and room for `most` busy peers.
struct Server {
    explicit Server(const char* where, std::size_t most = 4) {
        listeners.push_back(Listener::open(resolve(where).front(), {}));
        tell_destinations(listeners[0].fd());
        peers = std::make_unique<ConnectedPeers>(most, listeners, dropped);
    }

    /// Where clients find it.
    Address address(const char* host) const {
        return resolve("udp:" + std::string{host} + ":" + std::to_string(listeners[0].address().port()))
            .front();
    }
    int serve(const DatagramSource& from) {
        const std::size_t count = batch->receive(from.socket, DatagramBatch::most, never, from.peer);
        const std::uint64_t received_ns = monotonic_ns();
        for (std::size_t i = 0; i < count; ++i) {
            Datagram datagram = batch->at(i);
            datagram.answer(datagram.bytes());
            if (peers->has_room() && batch->came_to_us_alone(i))
                peers->note(datagram, from.listener, received_ns, quick_ns);
        }
        batch->send_answers();
        (from.peer != nullptr ? by_peers : by_listener) += static_cast<int>(count);
        return static_cast<int>(count);
    }
    void serve_listener() {
        while (serve({.socket = listeners[0]}) > 0) {
        }
    }
    void serve_ready() {
        peers->serve_ready([this](const DatagramSource& from) { serve(from); });
    }
    /// Until `served` were received from the sockets of peers.
    void serve_peers(int served) {
        while (!peers->empty() && by_peers < served)
            serve_ready();
    }
    void serve_until_empty() {
        while (!peers->empty())
            serve_ready();
    }

    std::vector<Listener> listeners;
    std::array<SharedCounter, listeners_max> dropped{};
    std::unique_ptr<ConnectedPeers> peers;
    std::unique_ptr<DatagramBatch> batch = std::make_unique<DatagramBatch>();
    int by_peers = 0;
    int by_listener = 0;
};

/// By this many datagrams at once a client is busy.
constexpr int burst = 32;

std::ptrdiff_t open_descriptors() {
    namespace fs = std::filesystem;
    return std::distance(fs::directory_iterator{"/proc/self/fd"}, fs::directory_iterator{});
}

struct At {
    const char* listener;
    const char* host;
};
constexpr std::array everywhere{At{"udp:127.0.0.1:0", "127.0.0.1"}, At{"udp:0.0.0.0:0", "127.0.0.7"},
                                At{"udp:[::1]:0", "[::1]"}, At{"udp:[::]:0", "[::1]"}};

}  // namespace

TEST_SUITE("pool: connected peers") {
    TEST_CASE(
        "a busy peer is answered by a socket of its own, from the address it asks, others by the listener") {
        for (const At& at : everywhere) {
            CAPTURE(at.listener);
            Server server{at.listener};
            const Client busy{server.address(at.host)};
            const Client other{server.address(at.host)};
            busy.send(burst);
            server.serve_listener();
            REQUIRE(!server.peers->empty());
            CHECK(busy.receive() == burst);
            other.send(3);
            server.serve_ready();
            CHECK(server.by_peers == 0);
            CHECK(other.receive() == 3);
            busy.send(5);
            server.serve_peers(5);
            CHECK(server.by_peers == 5);
            CHECK(busy.receive() == 5);
        }
    }

    TEST_CASE("at the order to leave what is in the sockets is answered, and the listener gets what comes") {
        for (const At& at : everywhere) {
            CAPTURE(at.listener);
            Server server{at.listener};
            const std::ptrdiff_t before = open_descriptors();
            {
                const Client busy{server.address(at.host)};
                busy.send(burst);
                server.serve_listener();
                CHECK(busy.receive() == burst);
                busy.send(100);
                server.peers->leave([&](const DatagramSource& from) { server.serve(from); });
                CHECK(server.peers->empty());
                CHECK(busy.receive() == 100);
                busy.send(2);
                server.serve_listener();
                CHECK(busy.receive() == 2);
            }
            CHECK(open_descriptors() == before);
        }
    }

    TEST_CASE("a second of silence closes a socket, and the peer is served by the listener again") {
        Server server{"udp:127.0.0.1:0"};
        const std::ptrdiff_t before = open_descriptors();
        const Client busy{server.address("127.0.0.1")};
        busy.send(burst);
        server.serve_listener();
        const std::uint64_t silent_ns = monotonic_ns();
        server.serve_until_empty();
        CHECK(monotonic_ns() - silent_ns > 900'000'000);
        CHECK(busy.receive() == burst);
        busy.send(1);
        server.serve_listener();
        CHECK(busy.receive() == 1);
        CHECK(open_descriptors() == before + 1);
    }

    TEST_CASE("a peer that is gone loses its socket at once, and another one's place is free") {
        Server server{"udp:127.0.0.1:0"};
        {
            const Client gone{server.address("127.0.0.1")};
            gone.send(burst);
            server.serve_listener();
            REQUIRE(!server.peers->empty());
            gone.send(1);
        }
        const std::uint64_t begun_ns = monotonic_ns();
        server.serve_until_empty();
        CHECK(monotonic_ns() - begun_ns < 900'000'000);
    }

    TEST_CASE("there are only so many; the others are served by the listener") {
        Server server{"udp:127.0.0.1:0", 2};
        std::vector<Client> clients;
        for (int i = 0; i < 3; ++i)
            clients.emplace_back(server.address("127.0.0.1"));
        for (const Client& client : clients) {
            client.send(burst);
            server.serve_listener();
        }
        CHECK(!server.peers->has_room());
        server.by_listener = 0;
        for (const Client& client : clients)
            client.send(4);
        server.serve_peers(8);
        server.serve_listener();
        CHECK(server.by_peers == 8);
        CHECK(server.by_listener == 4);
        for (const Client& client : clients)
            CHECK(client.receive() == burst + 4);
    }

    TEST_CASE("a peer gets one socket, though many of its datagrams wait in the listener") {
        Server server{"udp:127.0.0.1:0"};
        const Client busy{server.address("127.0.0.1")};
        const std::ptrdiff_t before = open_descriptors();
        busy.send(5 * burst);
        server.serve_listener();
        CHECK(open_descriptors() == before + 2);  // With the epoll.
        CHECK(busy.receive() == 5 * burst);
    }

    TEST_CASE("what has no room in a peer's socket is counted as dropped") {
        Server server{"udp:127.0.0.1:0"};
        const Client busy{server.address("127.0.0.1")};
        busy.send(burst);
        server.serve_listener();
        constexpr int many = 5'000;
        busy.send(many);
        server.serve_until_empty();
        CHECK(server.dropped[0] > 0);
        CHECK(server.by_peers + static_cast<int>(server.dropped[0]) == many);
        CHECK(server.listeners[0].dropped() == 0);
    }

    TEST_CASE("where a socket can't be bound beside the listener it serves all, and nothing is left open") {
        Server server{"udp:127.0.0.1:0"};
        constexpr int off = 0;
        ::setsockopt(server.listeners[0].fd(), SOL_SOCKET, SO_REUSEPORT, &off, sizeof off);
        const Client busy{server.address("127.0.0.1")};
        const std::ptrdiff_t before = open_descriptors();
        busy.send(2 * burst);
        server.serve_listener();
        CHECK(server.peers->empty());
        CHECK(!server.peers->has_room());
        CHECK(busy.receive() == 2 * burst);
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("with no place for peers the listener doesn't share its port") {
        Server server{"udp:127.0.0.1:0", 0};
        int shares = 1;
        socklen_t size = sizeof shares;
        ::getsockopt(server.listeners[0].fd(), SOL_SOCKET, SO_REUSEPORT, &shares, &size);
        CHECK(shares == 0);
        CHECK(!server.peers->has_room());
        CHECK(server.peers->empty());
    }

    TEST_CASE("a forked child's copies are closed, and the worker serves on") {
        Server server{"udp:127.0.0.1:0"};
        const Client busy{server.address("127.0.0.1")};
        const std::ptrdiff_t before = open_descriptors();
        busy.send(burst);
        server.serve_listener();
        CHECK(busy.receive() == burst);
        const pid_t child = ::fork();
        if (child == 0) {
            server.peers->drop();
            ::_exit(open_descriptors() == before ? 0 : 1);
        }
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
        busy.send(3);
        server.serve_peers(3);
        CHECK(busy.receive() == 3);
    }

    TEST_CASE("datagrams to a broadcast address give nobody a socket") {
        Server server{"udp:0.0.0.0:0"};
        const Client busy{server.address("127.0.0.1")};
        constexpr int on = 1;
        ::setsockopt(busy.socket.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
        const Address all = server.address("127.255.255.255");
        for (int i = 0; i < 2 * burst; ++i)
            REQUIRE(::sendto(busy.socket.get(), "x", 1, 0, all.data(), all.size()) == 1);
        server.serve_listener();
        CHECK(server.by_listener == 2 * burst);
        CHECK(server.peers->empty());
    }
}
