#include "core/lingering.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "tests/core/socket_pair.hpp"

using namespace bullpen;
using namespace std::chrono_literals;

TEST_SUITE("core: lingering") {
    TEST_CASE(
        "who goes on sending is waited for until the whole is over, who is silent until the silence is") {
        const TimePoint begun{1h};
        const TimeLimits limits{.linger = 5s, .linger_total = 30s};
        CHECK(linger_until(begun, begun, limits, false) == begun + 5s);
        CHECK(linger_until(begun, begun + 4s, limits, false) == begun + 9s);
        CHECK(linger_until(begun, begun + 29s, limits, false) == begun + 30s);
    }

    TEST_CASE("at a stop the whole is as long as one silence") {
        const TimePoint begun{1h};
        CHECK(linger_until(begun, begun + 4s, {.linger = 5s, .linger_total = 30s}, true) == begun + 5s);
        CHECK(linger_until(begun, begun + 1s, {.linger = 5s, .linger_total = 2s}, true) == begun + 2s);
    }

    TEST_CASE("what is there is thrown away, and it is said whether more may come") {
        for (SocketPair& pair : std::array{tcp_sockets(), unix_sockets()}) {
            CHECK(discard_input(pair.server.get()) == Discarded::nothing);
            say(pair.client, std::string(discarded_at_once + 1, 'x'));
            ::shutdown(pair.client.get(), SHUT_WR);
            int pieces = 0;
            for (Discarded last = Discarded::some; last != Discarded::end; ++pieces)
                last = discard_input(pair.server.get());
            CHECK(pieces >= 3);
            reset_by(pair.client);
            CHECK(discard_input(pair.server.get()) == Discarded::end);
        }
    }
}
