/// How much a client gets in one turn, where a worker serves many in turns.
#include <bullpen/detail/turn_budget.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "core/served_connection.hpp"
#include "tests/core/socket_pair.hpp"

using namespace bullpen;

namespace {

ServedConnection in_turns(SocketPair& sockets) {
    return ServedConnection{std::move(sockets.server),
                            {.parks = true, .takes_turns = true, .await_next = std::chrono::milliseconds{0}}};
}

int looks_that_see(Connection& client) {
    int seen = 0;
    for (std::array<std::byte, 1> byte; client.peek(byte, {}); ++seen)
        client.take(byte);
    return seen;
}

}  // namespace

TEST_SUITE("core: a turn") {
    TEST_CASE("has so many looks at what the client sends, and leaves the rest for the next turn") {
        SocketPair sockets = unix_sockets();
        ServedConnection served = in_turns(sockets);
        say(sockets.client, std::string(TurnBudget::looks_most + 3, 'x'));
        served.begin_turn();
        CHECK(looks_that_see(served.connection()) == TurnBudget::looks_most);
        CHECK_NOTHROW(served.check_progress());
        served.begin_turn();
        CHECK(looks_that_see(served.connection()) == 3);
    }

    TEST_CASE("sends so many bytes, of memory and of a file together") {
        SocketPair sockets = tcp_sockets();
        ServedConnection served = in_turns(sockets);
        Connection& client = served.connection();
        const std::string piece(1000, 'x');
        std::size_t sent = 0;
        while (sent <= TurnBudget::bytes_most) {
            const std::size_t size = client.write_some(piece);
            if (size == 0) break;
            std::string taken(size, '\0');
            CHECK(::recv(sockets.client.get(), taken.data(), size, MSG_WAITALL) ==
                  static_cast<ssize_t>(size));
            sent += size;
        }
        CHECK(sent == TurnBudget::bytes_most);
        CHECK(client.send_file_some(-1, 0, 1) == 0);
        served.begin_turn();
        CHECK(client.write_some(piece) == piece.size());
    }

    TEST_CASE("isn't bounded where a worker serves one client at a time") {
        SocketPair sockets = unix_sockets();
        ServedConnection served{std::move(sockets.server), {.parks = true}};
        say(sockets.client, std::string(100, 'x'));
        CHECK(looks_that_see(served.connection()) == 100);
    }
}
