/// What the kernel says of sockets that the test has opened.
#include "core/socket_diag.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "core/listener.hpp"
#include "core/resolve.hpp"

using namespace bullpen;

namespace {

std::uint32_t inode_of(int fd) {
    struct stat about {};
    REQUIRE(::fstat(fd, &about) == 0);
    return static_cast<std::uint32_t>(about.st_ino);
}

std::vector<SocketRecord> tcp_sockets_at(const std::vector<Address>& local) {
    std::vector<SocketRecord> all;
    visit_ip_sockets(IPPROTO_TCP, local, TcpDetail::numbers,
                     [&](const SocketRecord& record) { all.push_back(record); });
    return all;
}

/// Waits for it: the kernel's lists are as of a moment ago.
bool eventually_one_is(const Address& local, SocketState state) {
    for (int i = 0; i < 500; ++i) {
        for (const SocketRecord& record : tcp_sockets_at({local}))
            if (record.state == state) return true;
        ::usleep(10'000);
    }
    return false;
}

UniqueFd client_of(const Address& server) {
    UniqueFd client{::socket(server.family(), server.type() | SOCK_CLOEXEC, 0)};
    REQUIRE(::connect(client.get(), server.data(), server.size()) == 0);
    return client;
}

Listener listener_at(const char* text) {
    return Listener::open(resolve(text).front(), {});
}

}  // namespace

TEST_SUITE("core: sockets as the kernel lists them") {
    TEST_CASE("a connection's two addresses, its state, its inode, its queues and its numbers") {
        for (const char* text : {"127.0.0.1:0", "[::1]:0"}) {
            CAPTURE(text);
            const Listener listener = listener_at(text);
            const UniqueFd client = client_of(listener.address());
            const UniqueFd served{::accept(listener.fd(), nullptr, nullptr)};
            REQUIRE(::send(client.get(), "hello", 5, 0) == 5);
            std::array<char, 5> peeked;
            REQUIRE(::recv(served.get(), peeked.data(), peeked.size(), MSG_PEEK | MSG_WAITALL) == 5);

            std::map<std::uint32_t, SocketRecord> by_inode;
            for (const SocketRecord& record : tcp_sockets_at({listener.address()}))
                by_inode[record.inode] = record;
            CHECK(by_inode.size() == 2);
            const SocketRecord& listening = by_inode[inode_of(listener.fd())];
            CHECK(listening.state == SocketState::listen);
            CHECK(listening.local.text() == listener.address().text());
            const SocketRecord& connection = by_inode[inode_of(served.get())];
            CHECK(connection.state == SocketState::established);
            CHECK(connection.local.text() == listener.address().text());
            CHECK(connection.peer.text() == Address::of_socket(client.get()).text());
            CHECK(connection.receive_queue == 5);
            CHECK(connection.send_queue == 0);
            REQUIRE(connection.tcp);
            CHECK(connection.tcp->received_bytes == 5);
            CHECK(connection.tcp->rtt.count() > 0);
            CHECK(is_of_listener(connection.local, listener.address()));
        }
    }

    TEST_CASE("one in the backlog has no inode, and one that the server has closed is in TIME_WAIT") {
        const Listener listener = listener_at("127.0.0.1:0");
        UniqueFd client = client_of(listener.address());
        bool found = false;
        for (const SocketRecord& record : tcp_sockets_at({listener.address()}))
            if (record.state == SocketState::established) {
                CHECK(record.inode == 0);
                found = true;
            } else {
                CHECK(record.receive_queue == 1);
            }
        CHECK(found);
        UniqueFd served{::accept(listener.fd(), nullptr, nullptr)};
        served.reset();
        CHECK(eventually_one_is(listener.address(), SocketState::fin_wait_2));
        client.reset();
        CHECK(eventually_one_is(listener.address(), SocketState::time_wait));
    }

    TEST_CASE("of many ports only those that were asked for are listed") {
        std::vector<Listener> listeners;
        std::vector<Address> asked;
        std::vector<std::uint16_t> ports;
        for (int i = 0; i < 64; ++i) {
            listeners.push_back(listener_at("127.0.0.1:0"));
            if (i % 2 == 0) asked.push_back(listeners.back().address());
        }
        std::vector<std::uint16_t> listed;
        for (const SocketRecord& record : tcp_sockets_at(asked))
            listed.push_back(record.local.port());
        std::sort(listed.begin(), listed.end());
        for (const Address& address : asked)
            ports.push_back(address.port());
        std::sort(ports.begin(), ports.end());
        CHECK(listed == ports);
        CHECK(tcp_sockets_at({}).empty());
    }

    TEST_CASE("a UNIX socket that was accepted has its listener's name") {
        const Listener listener = listener_at(("unix:@bullpen-diag-" + std::to_string(::getpid())).c_str());
        const UniqueFd client = client_of(listener.address());
        const UniqueFd served{::accept(listener.fd(), nullptr, nullptr)};
        std::map<std::uint32_t, SocketRecord> by_inode;
        visit_unix_sockets([&](const SocketRecord& record) {
            if (is_of_listener(record.local, listener.address())) by_inode[record.inode] = record;
        });
        CHECK(by_inode.size() == 2);
        CHECK(by_inode[inode_of(listener.fd())].state == SocketState::listen);
        CHECK(by_inode[inode_of(served.get())].state == SocketState::established);
    }

    TEST_CASE("a datagrams' socket is listed with what waits in it") {
        const Listener socket = listener_at("udp:127.0.0.1:0");
        const UniqueFd client = client_of(socket.address());
        REQUIRE(::send(client.get(), "question", 8, 0) == 8);
        std::vector<SocketRecord> all;
        visit_ip_sockets(IPPROTO_UDP, std::array{socket.address()}, TcpDetail::none,
                         [&](const SocketRecord& record) { all.push_back(record); });
        REQUIRE(all.size() == 1);
        CHECK(all.front().local.text() == socket.address().text());
        CHECK(all.front().receive_queue > 0);
    }

    TEST_CASE("a listener on all addresses has each connection of its port and family") {
        const auto address = [](const char* text) { return resolve(text).front(); };
        CHECK(is_of_listener(address("127.0.0.1:80"), address("0.0.0.0:80")));
        CHECK(is_of_listener(address("[::1]:80"), address("[::]:80")));
        CHECK_FALSE(is_of_listener(address("127.0.0.1:80"), address("[::]:80")));
        CHECK_FALSE(is_of_listener(address("127.0.0.2:80"), address("127.0.0.1:80")));
        CHECK_FALSE(is_of_listener(address("127.0.0.1:81"), address("0.0.0.0:80")));
        CHECK_FALSE(is_of_listener(address("seqpacket:@a"), address("unix:@a")));
        CHECK_FALSE(is_of_listener(address("unix:@a"), address("unix:@b")));
    }

    TEST_CASE("each state has a name, which names it") {
        for (std::size_t i = 1; i <= socket_states; ++i) {
            const auto state = static_cast<SocketState>(i);
            CHECK(socket_state_of(name_of(state)) == state);
        }
        CHECK_FALSE(socket_state_of("unknown"));
        CHECK(name_of(static_cast<SocketState>(0)) == "unknown");
        CHECK(name_of(static_cast<SocketState>(200)) == "unknown");
    }
}
