#include "core/write_now.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include <bullpen/unique_fd.hpp>
#include "core/standard_descriptors.hpp"
#include "tests/failing_call.hpp"
#include "tests/in_child.hpp"

using namespace bullpen;

namespace {

/// What a child reads from a pipe into which it writes until it is full, by a kernel without RWF_NOWAIT.
bool fills_a_pipe_without_nowait(bool may_open_again) {
    return in_child([&] {
        ignore_write_signals();
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return false;
        let_call_fail(SYS_pwritev2, EOPNOTSUPP);
        if (!may_open_again) let_call_fail(SYS_openat, EACCES);
        char text[8] = {};
        const bool written = write_now(ends[1], "hello") && ::read(ends[0], text, sizeof text) == 5;
        const int before = ::fcntl(ends[1], F_GETFL);
        int lines = 0;
        while (lines < 10'000 && write_now(ends[1], std::string(100, 'x')))
            ++lines;
        return written && lines > 100 && lines < 10'000 && ::fcntl(ends[1], F_GETFL) == before &&
               std::string_view{text, 5} == "hello";
    });
}

}  // namespace

TEST_SUITE("core: a write that never waits") {
    TEST_CASE("where pipes don't know RWF_NOWAIT (before Linux 6.4) they take it, too, and nothing waits") {
        CHECK(fills_a_pipe_without_nowait(true));
        CHECK(fills_a_pipe_without_nowait(false));
    }

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
