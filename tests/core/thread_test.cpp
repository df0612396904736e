#include "core/thread.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

using namespace bullpen;

TEST_SUITE("core: threads") {
    TEST_CASE("all signals but SIGUSR2 are blocked in it, and its stack has the size we ask for") {
        sigset_t blocked;
        std::size_t stack = 0;
        Thread{[&] {
            ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
            pthread_attr_t attributes;
            ::pthread_getattr_np(::pthread_self(), &attributes);
            ::pthread_attr_getstacksize(&attributes, &stack);
            ::pthread_attr_destroy(&attributes);
        }}.join();
        CHECK(::sigismember(&blocked, SIGTERM) == 1);
        CHECK(::sigismember(&blocked, SIGCHLD) == 1);
        CHECK(::sigismember(&blocked, SIGUSR2) == 0);
        CHECK(stack >= Thread::stack_size);
        CHECK(stack < 2 * Thread::stack_size);
    }

    TEST_CASE("an interruption ends a system call in which it is blocked") {
        make_threads_interruptible();
        std::atomic<int> error{0};
        Thread thread{[&] {
            if (::poll(nullptr, 0, -1) < 0) error = errno;
        }};
        while (error == 0) {  // One that comes before the wait is missed, as it is documented.
            thread.interrupt();
            ::usleep(1000);
        }
        thread.join();
        thread.interrupt();  // Of nobody: nothing happens.
        CHECK(error == EINTR);
        ::signal(SIGUSR2, SIG_DFL);
    }

    TEST_CASE("its end, and what takes its place, wait for it") {
        std::atomic<int> ended{0};
        const auto slow = [&] {
            ::usleep(20'000);
            ++ended;
        };
        {
            Thread thread{slow};
            thread = Thread{slow};
            CHECK(ended >= 1);
            Thread moved{std::move(thread)};
        }
        CHECK(ended == 2);
    }
}
