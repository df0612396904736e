#include "servers/cli/output.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>

#include <system_error>

#include <bullpen/unique_fd.hpp>
#include "core/process.hpp"
#include "core/standard_descriptors.hpp"

using namespace bullpen;

TEST_SUITE("cli: a command's output") {
    TEST_CASE("what can't be written is an error that says why") {
        ignore_write_signals();
        const UniqueFd full{::open("/dev/full", O_WRONLY | O_CLOEXEC)};
        CHECK_THROWS_WITH_AS(write_whole(full.get(), "x", "it"), "cannot write it: No space left on device",
                             std::system_error);
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        UniqueFd reading{ends[0]};
        const UniqueFd writing{ends[1]};
        reading.reset();
        CHECK_THROWS_WITH_AS(write_whole(writing.get(), "x", "it"), "cannot write it: Broken pipe",
                             std::system_error);
        CHECK_NOTHROW(write_whole(writing.get(), "", "it"));
    }

    TEST_CASE("a reader that is slow, or a descriptor that doesn't block, gets all of it") {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        const UniqueFd reading{ends[0]};
        UniqueFd writing{ends[1]};
        const std::string text(1'000'000, 'x');
        const pid_t writer = *spawn_child([&] {
            write_whole(writing.get(), text, "it");
            return 0;
        });
        writing.reset();
        ::fcntl(reading.get(), F_SETFL, 0);
        std::size_t size = 0;
        char piece[4096];
        for (ssize_t got; (got = ::read(reading.get(), piece, sizeof piece)) > 0;)
            size += static_cast<std::size_t>(got);
        CHECK(size == text.size());
        ::waitpid(writer, nullptr, 0);
    }
}
