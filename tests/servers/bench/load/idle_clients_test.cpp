#include "servers/bench/load/idle_clients.hpp"

#include <doctest/doctest.h>
#include <sched.h>

#include <chrono>

#include "tests/servers/bench/load/load_server.hpp"

using namespace bullpen;

namespace {

bool always() {
    return true;
}

/// The server's process keeps the connection.
void answer_and_keep(Connection& client) {
    answer_once(client);
    (void)::dup(client.fd());
}

}  // namespace

TEST_SUITE("cli: idle clients") {
    TEST_CASE("each has had an answer, and stays connected") {
        const ServerProcess server{answer_and_keep};
        const IdleClients clients{server.load(http(), 0), 250, always};
        CHECK(clients.count() == 250);
        CHECK(clients.undisturbed() == 250);
    }

    TEST_CASE("those that the server has closed are disturbed") {
        const ServerProcess server{answer_once};
        const IdleClients clients{server.load(http(), 0), 5, always};
        CHECK(clients.count() == 5);
        while (clients.undisturbed() > 0)  // Or the test never ends.
            ::sched_yield();
    }

    TEST_CASE("those to whom the server says something unasked are disturbed") {
        const ServerProcess server{[](Connection& client) {
            answer_once(client);
            (void)::dup(client.fd());
            ::usleep(20'000);
            client.write_all("more");
        }};
        const IdleClients clients{server.load(http(), 0), 1, always};
        CHECK(clients.count() == 1);
        while (clients.undisturbed() > 0)
            ::sched_yield();
    }

    TEST_CASE("without an answer in time there are none, and only those with an answer count") {
        const ServerProcess server{answer_each};  // One after the other: the first keeps it.
        LoadOptions options = server.load(http(), 0);
        options.request_timeout = std::chrono::milliseconds{100};
        const IdleClients clients{options, 3, always};
        CHECK(clients.count() == 1);
        CHECK(clients.undisturbed() == 1);
    }

    TEST_CASE("a bad status is no answer") {
        const ServerProcess server{[](Connection& client) {
            if (read_request(client)) client.write_all("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n");
        }};
        const LoadOptions options = server.load(http_dialogue(LoadRequest{}), 0);
        CHECK(IdleClients{options, 3, always}.count() == 0);
    }

    TEST_CASE("where nobody listens, or nobody wants them, there are none, at once") {
        LoadOptions options;
        {
            const ServerProcess server{answer_each};
            options = server.load(http(), 0);
            CHECK(IdleClients{options, 1000, [] { return false; }}.count() == 0);
        }
        options.request_timeout = std::chrono::hours{1};
        CHECK(IdleClients{options, 1000, always}.count() == 0);
    }
}
