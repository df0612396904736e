#include "pool/scoreboard.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

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
        board.header().waiting = 1;
        CHECK(ends_with(board, [](Scoreboard& own) { ::_exit(own.header().waiting == 1 ? 0 : 1); }) == 0);
        CHECK(ends_with(board, [](Scoreboard& own) { own.header().waiting = 0; }) == -SIGSEGV);
        CHECK(ends_with(board, [](Scoreboard& own) {
                  ::_exit(::mprotect(&own.header(), scoreboard_page, PROT_READ | PROT_WRITE) == 0 ? 1 : 0);
              }) == 0);
        CHECK(board.header().waiting == 1);
    }

    TEST_CASE("a worker has no other row, and no descriptor to map one") {
        Scoreboard board{3};
        for (const std::ptrdiff_t other : {-1, 1}) {
            CHECK(ends_with(board, [other](Scoreboard& own) { (&own.row(1) + other)->finished = 1; }) ==
                  -SIGSEGV);
        }
        CHECK(ends_with(board, [](Scoreboard& own) { ::_exit(own.fd() == -1 ? 0 : 1); }) == 0);
    }

    TEST_CASE("the totals tell idle from busy workers and account for every connection") {
        Scoreboard board{6};
        const ScoreboardReader reader{board.fd(), board.slots()};
        board.header().hands_off = 1;
        board.header().accepted = 20;
        board.header().held = 1;
        board.header().lost[static_cast<std::size_t>(ExitReason::signalled)] = 2;
        const auto set = [&](std::uint32_t slot, Stage stage) {
            board.entry(slot).stage = static_cast<std::uint32_t>(stage);
        };
        set(0, Stage::ready);  // In a handler.
        board.entry(0).handed = 10;
        board.row(0).begun = 10;
        board.row(0).finished = 9;
        board.row(0).completed = 6;
        board.row(0).failed = 1;
        board.row(0).client_aborted = 1;
        board.row(0).timed_out[static_cast<std::size_t>(Limit::read)] = 1;
        set(1, Stage::ready);  // Idle; two connections were lost in this slot.
        board.entry(1).handed = 8;
        board.row(1).begun = 8;
        board.row(1).finished = 6;
        board.row(1).completed = 6;
        board.row(1).lost = 2;
        set(2, Stage::ready);  // Handed one that it has not received yet.
        board.entry(2).handed = 1;
        set(3, Stage::starting);
        set(4, Stage::draining);

        const PoolTotals sum = total(reader);
        CHECK(sum.busy == 2);
        CHECK(sum.idle == 1);
        CHECK(sum.starting == 1);
        CHECK(sum.draining == 1);
        CHECK(sum.begun == 1);
        CHECK(sum.queued == 2);
        CHECK(sum.completed == 12);
        CHECK(sum.lost == 2);
        CHECK(sum.unaccounted() == 0);
    }
}
