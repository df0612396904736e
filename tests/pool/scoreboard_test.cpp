#include "pool/scoreboard.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include "core/process.hpp"
#include "tests/core/open_descriptors.hpp"

using namespace bullpen;

namespace {

/// The signal or exit status that `body` ends with in a child which has kept only the row of slot 1.
int ends_with(Scoreboard& board, const std::function<void(Scoreboard&)>& body) {
    const auto pid = spawn_child([&] {
        board.keep_only(1);
        ::signal(SIGSEGV, SIG_DFL);  // A sanitizer's handler would turn the fault into an exit.
        unblock_signals();
        body(board);
        return 0;
    });
    int status = 0;
    ::waitpid(*pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

TEST_SUITE("pool: the scoreboard") {
    TEST_CASE("a reader sees what the master and the workers write") {
        const long before = open_descriptors();
        {
            Scoreboard board{300};
            const ScoreboardReader reader{board.fd(), board.slots()};
            board.header().accepted = 5;
            board.entry(299).handed = 7;
            board.row(299).finished = 9;
            CHECK(reader.header().accepted == 5);
            CHECK(reader.header().slots == 300);
            CHECK(reader.entry(299).handed == 7);
            CHECK(reader.row(299).finished == 9);
            CHECK(reader.row(298).finished == 0);
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("nobody can resize it or map it writable once more") {
        const Scoreboard board{4};
        CHECK(::ftruncate(board.fd(), 0) != 0);
        CHECK(::ftruncate(board.fd(), 1 << 20) != 0);
        CHECK(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, board.fd(), 0) == MAP_FAILED);
        CHECK(::write(board.fd(), "x", 1) != 1);
    }

    TEST_CASE("a worker can write its own row") {
        Scoreboard board{3};
        CHECK(ends_with(board, [](Scoreboard& own) { own.row(1).finished = 11; }) == 0);
        CHECK(board.row(1).finished == 11);
    }

    TEST_CASE("a worker reads the header but can't write it, nor make it writable") {
        Scoreboard board{3};
        board.header().wake_on_room = 1;
        CHECK(ends_with(board, [](Scoreboard& own) { ::_exit(own.header().wake_on_room == 1 ? 0 : 1); }) ==
              0);
        CHECK(ends_with(board, [](Scoreboard& own) { own.header().wake_on_room = 0; }) == -SIGSEGV);
        CHECK(ends_with(board, [](Scoreboard& own) {
                  ::_exit(::mprotect(&own.header(), scoreboard_page, PROT_READ | PROT_WRITE) == 0 ? 1 : 0);
              }) == 0);
        CHECK(board.header().wake_on_room == 1);
    }

    TEST_CASE("a worker has its row and its pages, no other's, and no descriptor to map one") {
        Scoreboard board{3, 4};
        const auto stride = static_cast<std::ptrdiff_t>(board.row_stride());
        const auto ends_at = [&board](std::ptrdiff_t offset) {
            return ends_with(board, [offset](Scoreboard& own) {
                (reinterpret_cast<std::atomic<char>*>(&own.row(1)) + offset)->store(1);
            });
        };
        for (const std::ptrdiff_t own : {std::ptrdiff_t{0}, stride - 1})
            CHECK(ends_at(own) == 0);
        for (const std::ptrdiff_t other : {-stride, std::ptrdiff_t{-1}, stride})
            CHECK(ends_at(other) == -SIGSEGV);
        CHECK(ends_with(board, [](Scoreboard& own) { ::_exit(own.fd() == -1 ? 0 : 1); }) == 0);
    }
}
