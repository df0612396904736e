#include "pool/accept_lock.hpp"
#include <bullpen/accept_lock_kind.hpp>

#include <doctest/doctest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/process.hpp"

using namespace bullpen;

namespace {

constexpr auto never = [] { return false; };

/// A child that has its turn, until it is killed.
class Owner {
public:
    explicit Owner(AcceptLock& lock) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const UniqueFd reading{ends[0]};
        UniqueFd writing{ends[1]};
        pid_ = *spawn_child([&] {
            const AcceptLock::Turn turn = lock.take_turn(never);
            (void)!::write(writing.get(), "t", 1);
            ::pause();
            return 0;
        });
        writing.reset();
        char byte = 0;
        REQUIRE(::read(reading.get(), &byte, 1) == 1);
    }
    ~Owner() {
        if (pid_ != 0) kill();
    }
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;

    void kill() {
        ::kill(pid_, SIGKILL);
        ::waitpid(std::exchange(pid_, 0), nullptr, 0);
    }

private:
    pid_t pid_ = 0;
};

int status_of(pid_t pid) {
    int status = -1;
    ::waitpid(pid, &status, 0);
    return status;
}

volatile sig_atomic_t alarms = 0;

/// The status of a child that waits for its turn in vain, until a signal tells it to leave.
int signalled_while_waiting(AcceptLockKind kind, void (*handler)(int)) {
    AcceptLock lock{kind};
    const Owner owner{lock};
    const auto waiting = spawn_child([&] {
        struct sigaction action {};
        action.sa_handler = handler;
        ::sigaction(SIGALRM, &action, nullptr);
        unblock_signals();
        constexpr itimerval often{.it_interval = {0, 50'000}, .it_value = {0, 50'000}};
        ::setitimer(ITIMER_REAL, &often, nullptr);
        return lock.take_turn([] { return alarms > 0; }) ? 1 : 0;
    });
    return waiting ? status_of(*waiting) : -1;
}

}  // namespace

TEST_SUITE("pool: turns at accept") {
    TEST_CASE("processes exclude each other") {
        for (const AcceptLockKind kind : {AcceptLockKind::mutex, AcceptLockKind::file}) {
            CAPTURE(static_cast<int>(kind));
            constexpr int processes = 4;
            constexpr int turns = 300;
            AcceptLock lock{kind};
            auto* shared = static_cast<volatile int*>(
                ::mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
            pid_t pids[processes];
            for (pid_t& pid : pids)
                pid = *spawn_child([&] {
                    for (int i = 0; i < turns; ++i) {
                        const AcceptLock::Turn turn = lock.take_turn(never);
                        const int before = *shared;
                        ::sched_yield();
                        *shared = before + 1;
                    }
                    return 0;
                });
            for (const pid_t pid : pids)
                CHECK(status_of(pid) == 0);
            CHECK(*shared == processes * turns);
            ::munmap(const_cast<int*>(shared), sizeof(int));
        }
    }

    TEST_CASE("a killed owner's turn goes to the next, again and again") {
        for (const AcceptLockKind kind : {AcceptLockKind::mutex, AcceptLockKind::file}) {
            CAPTURE(static_cast<int>(kind));
            AcceptLock lock{kind};
            for (int i = 0; i < 5; ++i) {
                Owner owner{lock};
                owner.kill();
                CHECK(lock.take_turn(never));
            }
        }
    }

    TEST_CASE("who is to leave does not wait on: with a file it is asked at each signal") {
        CHECK(signalled_while_waiting(AcceptLockKind::file, [](int) { alarms = alarms + 1; }) == 0);
    }

    TEST_CASE("who is to leave does not wait on: with a mutex the signal's handler may end the process") {
        CHECK(signalled_while_waiting(AcceptLockKind::mutex, [](int) { ::_exit(0); }) == 0);
    }

    TEST_CASE("who is to leave at once takes no turn though it is free") {
        AcceptLock lock{AcceptLockKind::mutex};
        CHECK(!lock.take_turn([] { return true; }));
        CHECK(lock.take_turn(never));
    }
}
