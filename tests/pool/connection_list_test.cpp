#include "pool/connection_list.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

using namespace bullpen;

TEST_SUITE("pool: the list of connections") {
    TEST_CASE("what is written is read") {
        std::string text;
        write_pool(text, "a name of several words");
        write(text, ListedWorkers{.pid = 812, .slots = {4, 8}});
        write(text, ListedWorkers{.pid = 813, .slots = {8, 9}, .busy = std::chrono::milliseconds{15}});
        write(text,
              ListedConnection{.fd = 17, .where = Where::parked, .age = std::chrono::milliseconds{912}});
        write(text, ListedConnection{.fd = -1, .where = Where::given, .slot = 3});
        write(text, ListedConnection{.fd = 19, .where = Where::given, .slot = 3, .queued = true});
        write_pool(text, "empty");
        const std::vector<ListedPool> pools = read_connection_list(text);
        REQUIRE(pools.size() == 2);
        CHECK(pools[0].name == "a name of several words");
        REQUIRE(pools[0].workers.size() == 2);
        CHECK(pools[0].workers[0].pid == 812);
        CHECK(pools[0].workers[0].slots.first == 4);
        CHECK(pools[0].workers[0].slots.end == 8);
        CHECK(!pools[0].workers[0].busy);
        CHECK(pools[0].workers[1].busy == std::chrono::milliseconds{15});
        REQUIRE(pools[0].connections.size() == 3);
        CHECK(pools[0].connections[0].fd == 17);
        CHECK(pools[0].connections[0].where == Where::parked);
        CHECK(pools[0].connections[0].age.count() == 912);
        CHECK(pools[0].connections[1].fd == -1);
        CHECK(pools[0].connections[1].where == Where::given);
        CHECK(pools[0].connections[1].slot == 3);
        CHECK(!pools[0].connections[1].queued);
        CHECK(pools[0].connections[2].where == Where::given);
        CHECK(pools[0].connections[2].queued);
        CHECK(pools[1].name == "empty");
        CHECK(pools[1].connections.empty());
    }

    TEST_CASE("what is none is refused in a sentence") {
        for (const char* text : {"hello", "connection 1 parked 0 0\n", "pool a\nconnection x parked 0 0\n",
                                 "pool a\nconnection 1 nowhere 0 0\n", "pool a\nconnection 1 parked 0\n",
                                 "pool a\nworker 1\n", "pool a\nworker 1 0 1\n", "pool a\n\n"}) {
            CAPTURE(text);
            CHECK_THROWS_AS((void)read_connection_list(text), std::runtime_error);
        }
        CHECK(read_connection_list("").empty());
    }
}
