#include "servers/bench/compare/memory_use.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace bullpen;

TEST_SUITE("cli: the memory of a tree of processes") {
    TEST_CASE("PSS is read from smaps_rollup") {
        CHECK(parse_pss_kb("00400000-7ff [rollup]\nRss:      884 kB\nPss:      385 kB\nPss_Dirty: 1 kB\n") ==
              385);
        CHECK(parse_pss_kb("") == 0);
        CHECK(parse_pss_kb("\nPss:") == 0);
    }

    TEST_CASE("a living process has some, and its children are found; one that has ended has none") {
        int gate[2];
        REQUIRE(::pipe(gate) == 0);
        const pid_t child = ::fork();
        if (child == 0) {
            char byte;
            ::close(gate[1]);
            [[maybe_unused]] const ssize_t ended = ::read(gate[0], &byte, 1);
            ::_exit(0);
        }
        CHECK(pss_kb(::getpid()) > 0);
        const std::vector<pid_t> found = descendants_of(::getpid());
        CHECK(found == std::vector<pid_t>{child});
        ::close(gate[1]);
        ::waitpid(child, nullptr, 0);
        ::close(gate[0]);
        CHECK(pss_kb(child) == 0);
        CHECK(descendants_of(child).empty());
    }
}
