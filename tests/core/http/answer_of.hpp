/// For tests: what a client gets from a service, in either form.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <functional>
#include <string>
#include <thread>

#include <bullpen/async_connection.hpp>
#include <bullpen/handler.hpp>

/// What a client gets that sends `request`, ends its side, and reads to the end.
inline std::string answer_of(const std::function<void(bullpen::UniqueFd)>& serve,
                             const std::string& request) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const bullpen::UniqueFd client{ends[0]};
    std::thread serving{
        [&serve, server = bullpen::UniqueFd{ends[1]}]() mutable { serve(std::move(server)); }};
    std::thread sending{[&] {
        ::send(client.get(), request.data(), request.size(), MSG_NOSIGNAL);
        ::shutdown(client.get(), SHUT_WR);
    }};
    std::string answer;
    char buffer[65536];
    for (ssize_t size; (size = ::read(client.get(), buffer, sizeof buffer)) > 0;)
        answer.append(buffer, static_cast<std::size_t>(size));
    sending.join();
    serving.join();
    return answer;
}

inline std::string answer_of(const bullpen::Handler& handler, const std::string& request) {
    return answer_of(
        [&](bullpen::UniqueFd server) {
            bullpen::Connection connection{std::move(server)};
            connection.set_socket_timeouts();
            handler(connection);
        },
        request);
}

inline std::string answer_of(const bullpen::AsyncHandler& handler, const std::string& request) {
    return answer_of(
        [&](bullpen::UniqueFd server) {
            boost::asio::io_context loop{1};
            bullpen::AsyncConnection connection{loop.get_executor(), std::move(server)};
            boost::asio::co_spawn(loop, handler(connection),
                                  [&](const std::exception_ptr&) { connection.close(); });
            loop.run();
        },
        request);
}
