#include <bullpen/handler.hpp>

#include <doctest/doctest.h>

#include "tests/core/connection_pair.hpp"

using namespace bullpen;

TEST_SUITE("core: handlers") {
    TEST_CASE("a handler is made from what returns void or Next, and keeps its own things") {
        ConnectionPair pair = tcp_pair();
        int calls = 0;
        const Handler plain = [&calls](Connection&) { ++calls; };
        const Handler chosen = [&calls](Connection&) {
            ++calls;
            return Next::close;
        };
        CHECK(plain(pair.server) == Next::close);
        CHECK(chosen(pair.server) == Next::close);
        CHECK(calls == 2);
    }
}
