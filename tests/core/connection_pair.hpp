/// For tests: a connection as its worker has it, and its client.
#pragma once

#include <utility>

#include "core/served_connection.hpp"
#include "tests/core/socket_pair.hpp"

namespace bullpen {

/// `server` is what the handler sees of `worker`.
struct ConnectionPair {
    ConnectionPair(SocketPair sockets, ServerView view)
        : worker{std::move(sockets.server), view}, client{std::move(sockets.client)} {}
    ConnectionPair(const ConnectionPair&) = delete;
    ConnectionPair& operator=(const ConnectionPair&) = delete;

    ServedConnection worker;
    Connection& server = worker.connection();
    UniqueFd client;
};

inline ConnectionPair pair_of(SocketPair sockets, ServerView view = {}) {
    return {std::move(sockets), view};
}

inline ConnectionPair tcp_pair(ServerView view = {}) {
    return pair_of(tcp_sockets(), view);
}

}  // namespace bullpen
