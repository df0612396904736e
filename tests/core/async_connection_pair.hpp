/// For tests: an asynchronous connection as its worker has it, and its client.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

#include <bullpen/async_connection.hpp>

namespace bullpen {

/// A connection in an event loop of its own, and the client's end.
struct AsyncConnectionPair {
    explicit AsyncConnectionPair(ServerView view = {}) {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        client.reset(ends[0]);
        server.emplace(loop.get_executor(), UniqueFd{ends[1]}, view);
    }

    /// Runs a coroutine to its end and throws what it throws.
    template <typename Body>
    void run(Body body) {
        std::exception_ptr thrown;
        boost::asio::co_spawn(loop, body(), [&](std::exception_ptr error) {
            thrown = std::move(error);
            loop.stop();  // A timer may be armed for a wait that is over.
        });
        loop.restart();
        loop.run();
        if (thrown) std::rethrow_exception(thrown);
    }

    void send(std::string_view text) const {
        REQUIRE(::send(client.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    }

    boost::asio::io_context loop{1};
    UniqueFd client;
    std::optional<AsyncConnection> server;
};

}  // namespace bullpen
