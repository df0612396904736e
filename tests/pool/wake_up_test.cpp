#include "pool/wake_up.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/process.hpp"
#include "tests/pool/events_in_test.hpp"

using namespace bullpen;

namespace {

/// The master's side, with the descriptor that workers have.
struct Sleeper {
    Scoreboard board{1};
    EventsInTest events;
    WakeUp wake_up{board.header()};

    Sleeper() { wake_up.watch_by(events); }

    void wake() { raise(1); }
    void raise(std::uint64_t count) { REQUIRE(::write(wake_up.fd(), &count, sizeof count) == sizeof count); }

    /// What a worker may do to what it shares: empty it, and let the next read block.
    void sabotage() {
        const int flags = ::fcntl(wake_up.fd(), F_GETFL);
        REQUIRE(::fcntl(wake_up.fd(), F_SETFL, flags & ~O_NONBLOCK) == 0);
        std::uint64_t count = 0;
        REQUIRE(::read(wake_up.fd(), &count, sizeof count) == sizeof count);
    }

    [[nodiscard]] bool is_empty() const {
        pollfd readable{.fd = wake_up.fd(), .events = POLLIN, .revents = 0};
        return ::poll(&readable, 1, 0) == 0;
    }
};

}  // namespace

TEST_SUITE("pool: waking the master") {
    TEST_CASE("a wake-up ends the wait, and once it is noted the next one does so again") {
        Sleeper sleeper;
        for (int round = 0; round < 3; ++round) {
            sleeper.wake_up.arm();
            sleeper.wake();
            sleeper.wake();
            sleeper.events.wait();
            CHECK_FALSE(sleeper.is_empty());
            sleeper.wake_up.note_awake();
            CHECK(sleeper.is_empty());
        }
    }

    TEST_CASE("a wake-up that comes before the wait is armed ends it, too") {
        Sleeper sleeper;
        sleeper.wake();
        sleeper.wake_up.note_awake();  // Of a turn that began before: it says nothing of this one.
        sleeper.wake_up.arm();
        sleeper.events.wait();
        sleeper.wake_up.note_awake();
        CHECK(sleeper.is_empty());
    }

    TEST_CASE("a worker that empties the eventfd and makes it blocking can't block the master") {
        const auto pid = spawn_child([] {
            constexpr int patience_s = 10;
            unblock_signals();
            ::alarm(patience_s);  // Blocked, it dies of that.
            Sleeper sleeper;
            for (int round = 0; round < 3; ++round) {
                sleeper.wake_up.arm();
                sleeper.wake();
                sleeper.events.wait();
                sleeper.sabotage();
                sleeper.wake_up.note_awake();
            }
            sleeper.wake_up.arm();
            sleeper.wake();
            sleeper.events.wait();
            sleeper.wake_up.note_awake();
            return sleeper.is_empty() ? 0 : 1;  // It still works, blocking or not.
        });
        REQUIRE(pid);
        int status = -1;
        ::waitpid(*pid, &status, 0);
        CHECK(status == 0);
    }

    TEST_CASE("a worker that fills the eventfd changes nothing: one look empties it") {
        Sleeper sleeper;
        sleeper.wake_up.arm();
        sleeper.raise(~std::uint64_t{0} - 1);
        sleeper.events.wait();
        sleeper.wake_up.note_awake();
        CHECK(sleeper.is_empty());
    }

    TEST_CASE("the words say what the master waits for, and being awake ends only one of them") {
        Sleeper sleeper;
        const ScoreboardHeader& header = sleeper.board.header();
        sleeper.wake_up.ask_for_returned();
        sleeper.wake_up.ask_for_room();
        CHECK(header.wake_on_return == 1);
        CHECK(header.wake_on_room == 1);
        sleeper.wake_up.note_awake();
        CHECK(header.wake_on_return == 0);
        CHECK(header.wake_on_room == 1);
        sleeper.wake_up.ask_for_room(false);
        CHECK(header.wake_on_room == 0);
        sleeper.wake_up.ask_for_room(true);
        CHECK(header.wake_on_room == 1);
    }
}
