#include "servers/bench/load/wake_queue.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("cli: the wake queue") {
    TEST_CASE("sleepers wake in the order in which they fell asleep, each in its time") {
        WakeQueue queue{100, 3};
        CHECK(queue.next_ns() == UINT64_MAX);
        queue.add(2, 10);
        queue.add(0, 20);
        CHECK(queue.next_ns() == 110);
        CHECK_FALSE(queue.take_due(109));
        CHECK(queue.take_due(110) == 2);
        CHECK_FALSE(queue.take_due(110));
        CHECK(queue.take_due(500) == 0);
    }

    TEST_CASE("who is removed does not wake, and who never slept can be removed") {
        WakeQueue queue{100, 2};
        queue.add(0, 1);
        queue.add(1, 2);
        queue.remove(0);
        queue.remove(5);
        CHECK(queue.take_due(500) == 1);
        CHECK_FALSE(queue.take_due(500));
    }
}
