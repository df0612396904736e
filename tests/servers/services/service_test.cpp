#include "servers/services/service.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <string>
#include <thread>

using namespace bullpen;

namespace {

/// What a client gets that sends `request`, ends its side, and reads to the end.
std::string answer_of(const Handler& handler, const std::string& request) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const UniqueFd client{ends[0]};
    std::thread serving{[&handler, server = UniqueFd{ends[1]}]() mutable {
        Connection connection{std::move(server)};
        connection.set_socket_timeouts();
        handler(connection);
    }};
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

}  // namespace

TEST_SUITE("service") {
    TEST_CASE("http is the first service and echo is there") {
        REQUIRE(services().size() == 2);
        CHECK(services()[0].name == "http");
        CHECK(services()[1].name == "echo");
    }

    TEST_CASE("echo sends a megabyte back") {
        std::string bytes(1 << 20, '\0');
        for (std::size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = static_cast<char>(i * 31 + i / 251);
        CHECK(answer_of(make_echo({}), bytes) == bytes);
    }

    TEST_CASE("http needs a root that is there") {
        CHECK_THROWS_AS(make_http({.root = "/no/such/root"}), std::system_error);
    }

    TEST_CASE("http serves a copy of its handler as well as the original") {
        const Handler handler = make_http({.root = "/"});
        const Handler copy = handler;
        CHECK(
            answer_of(copy, "GET /nothing/there HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 404 Not Found\r\n"));
    }
}
