/// For tests: both ends of a connection.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <string_view>
#include <utility>

#include <bullpen/unique_fd.hpp>
#include "core/listener.hpp"
#include "core/resolve.hpp"

namespace bullpen {

struct SocketPair {
    UniqueFd server;
    UniqueFd client;
};

inline SocketPair tcp_sockets() {
    const Listener listener = Listener::open(resolve("127.0.0.1:0").front(), {});
    UniqueFd client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const Address address = listener.address();
    REQUIRE(::connect(client.get(), address.data(), address.size()) == 0);
    return {UniqueFd{::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC)}, std::move(client)};
}

inline SocketPair unix_sockets() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

inline void say(const UniqueFd& socket, std::string_view text) {
    REQUIRE(::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
}

inline void reset_by(UniqueFd& client) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    client.reset();
}

}  // namespace bullpen
