#include "core/write_now.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include <bullpen/unique_fd.hpp>
#include "core/standard_descriptors.hpp"

using namespace bullpen;

TEST_SUITE("core: a write that never waits") {
    TEST_CASE("a pipe, a socket and a file take the text") {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        const UniqueFd reading{ends[0]};
        const UniqueFd writing{ends[1]};
        CHECK(write_now(writing.get(), "hello"));
        char text[8] = {};
        CHECK(::read(reading.get(), text, sizeof text) == 5);
        const UniqueFd null{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
        CHECK(write_now(null.get(), "hello"));
    }

    TEST_CASE(
        "a full pipe, one without a reader, a full device and a closed descriptor don't, and nothing waits "
        "or dies") {
        ignore_write_signals();
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        UniqueFd reading{ends[0]};
        const UniqueFd writing{ends[1]};
        bool taken = true;
        for (int i = 0; i < 10'000 && taken; ++i)
            taken = write_now(writing.get(), std::string(100, 'x'));
        CHECK_FALSE(taken);
        reading.reset();
        CHECK_FALSE(write_now(writing.get(), "x"));
        const UniqueFd full{::open("/dev/full", O_WRONLY | O_CLOEXEC)};
        CHECK_FALSE(write_now(full.get(), "x"));
        CHECK_FALSE(write_now(-1, "x"));
    }
}
