#include "core/process.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>

#include <bullpen/unique_fd.hpp>
#include "tests/core/open_descriptors.hpp"

using namespace bullpen;

namespace {

int status_of(const std::function<int()>& body) {
    const auto pid = spawn_child(body);
    REQUIRE(pid);
    int status = 0;
    REQUIRE(::waitpid(*pid, &status, 0) == *pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

TEST_SUITE("core: processes") {
    TEST_CASE("a child ends with its body's result, and with 1 if the body throws") {
        CHECK(status_of([] { return 42; }) == 42);
        CHECK(status_of([]() -> int {
                  const UniqueFd quiet{::open("/dev/null", O_WRONLY)};
                  ::dup2(quiet.get(), STDERR_FILENO);
                  throw std::runtime_error{"on purpose"};
              }) == 1);
    }

    TEST_CASE("a child starts with default actions and all signals blocked") {
        ::signal(SIGUSR1, SIG_IGN);
        CHECK(status_of([] {
                  struct sigaction action {};
                  ::sigaction(SIGUSR1, nullptr, &action);
                  sigset_t blocked;
                  ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
                  const bool as_promised =
                      action.sa_handler == SIG_DFL && ::sigismember(&blocked, SIGTERM) == 1;
                  ::raise(SIGTERM);  // Waits until the body unblocks it.
                  if (as_promised) unblock_signals();
                  return 0;
              }) == -SIGTERM);
        ::signal(SIGUSR1, SIG_DFL);
    }

    TEST_CASE(
        "what a child opens that shares our descriptors stays open after its death, what it closes is "
        "closed") {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const UniqueFd reading{ends[0]};
        UniqueFd writing{ends[1]};
        const long before = open_descriptors();
        const auto pid = spawn_sharing_descriptors([&] {
            (void)::fcntl(writing.get(), F_DUPFD, 200);
            ::close(writing.get());
            return 7;
        });
        REQUIRE(pid);
        int status = 0;
        REQUIRE(::waitpid(*pid, &status, 0) == *pid);
        CHECK(WEXITSTATUS(status) == 7);
        CHECK(open_descriptors() == before);
        CHECK(::fcntl(writing.release(), F_GETFD) == -1);
        const UniqueFd theirs{200};
        CHECK(::write(theirs.get(), "x", 1) == 1);
    }

    TEST_CASE("a sibling is a child of our parent, its pid is noted, and it owns a mutex by its own number") {
        struct Shared {
            pthread_mutex_t mutex;
            pid_t noted;
        };
        auto* const shared = static_cast<Shared*>(
            ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
        pthread_mutexattr_t robust;
        ::pthread_mutexattr_init(&robust);
        ::pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED);
        ::pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
        ::pthread_mutex_init(&shared->mutex, &robust);
        ::pthread_mutexattr_destroy(&robust);
        const pid_t us = ::getpid();
        CHECK(status_of([&] {
                  const auto pid = spawn_sibling(
                      [&] {
                          ::pthread_mutex_lock(&shared->mutex);
                          return ::getppid() == us && shared->noted == ::getpid() ? 3 : 4;
                      },
                      shared->noted);
                  return pid && *pid == shared->noted ? 0 : 1;
              }) == 0);
        int status = 0;
        REQUIRE(::waitpid(shared->noted, &status, 0) == shared->noted);
        CHECK(WEXITSTATUS(status) == 3);
        CHECK(::pthread_mutex_lock(&shared->mutex) == EOWNERDEAD);
        ::munmap(shared, sizeof(Shared));
    }

    TEST_CASE("a child keeps exactly the descriptors it lists") {
        const UniqueFd kept{::open("/dev/null", O_RDONLY)};
        const UniqueFd dropped{::open("/dev/null", O_RDONLY)};
        const UniqueFd high{::fcntl(dropped.get(), F_DUPFD, 200)};
        CHECK(status_of([&] {
                  const int list[] = {high.get(), kept.get(), 1, kept.get()};
                  close_all_except(list);
                  const bool right = ::fcntl(kept.get(), F_GETFD) >= 0 && ::fcntl(high.get(), F_GETFD) >= 0 &&
                                     ::fcntl(dropped.get(), F_GETFD) < 0 && ::fcntl(0, F_GETFD) >= 0;
                  return right && open_descriptors() == 6 ? 0
                                                          : 1;  // 0, 1, 2, the two, and the listing's own.
              }) == 0);
    }

    TEST_CASE(
        "a child that outlives its parent gets the signal it asked for, or learns that it is too late") {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const UniqueFd reading{ends[0]};
        UniqueFd writing{ends[1]};
        const auto parent = spawn_child([&] {
            const pid_t self = ::getpid();
            (void)!spawn_child([&] {
                if (!die_with_parent(SIGKILL, self)) return 1;
                unblock_signals();
                (void)!::write(writing.get(), "r", 1);
                ::pause();
                return 0;
            });
            char ready = 0;
            (void)!::read(reading.get(), &ready, 1);
            return 0;
        });
        writing.reset();
        REQUIRE(parent);
        ::waitpid(*parent, nullptr, 0);
        char end = 0;
        CHECK(::read(reading.get(), &end, 1) == 0);  // End of file: the grandchild is gone as well.
        CHECK(!die_with_parent(0, -1));
    }

    TEST_CASE("the descriptor limit is raised to its hard limit") {
        CHECK(status_of([] {
                  rlimit limit{.rlim_cur = 64, .rlim_max = 256};
                  ::setrlimit(RLIMIT_NOFILE, &limit);
                  return raise_descriptor_limit() == 256 ? 0 : 1;
              }) == 0);
    }

    TEST_CASE("a program has the connection as its standard descriptors and nothing else, and no shell") {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        const UniqueFd ours{ends[0]};
        UniqueFd theirs{ends[1]};
        const UniqueFd inherited{::open("/dev/null", O_RDONLY)};  // Without O_CLOEXEC.
        const auto pid = spawn_program(
            {{"/bin/sh", "-c", "cat; echo \"$1\" $#; echo error >&2; ls /proc/self/fd | wc -l; exit 3",
              "name", "$HOME *", ""}},
            theirs.get());
        theirs.reset();
        REQUIRE(pid);
        REQUIRE(::send(ours.get(), "hello\n", 6, 0) == 6);
        ::shutdown(ours.get(), SHUT_WR);
        std::string said;
        char buffer[256];
        for (ssize_t size; (size = ::recv(ours.get(), buffer, sizeof buffer, 0)) > 0;)
            said.append(buffer, static_cast<std::size_t>(size));
        CHECK(said == "hello\n$HOME * 2\nerror\n4\n");  // ls has the directory open.
        int status = 0;
        REQUIRE(::waitpid(*pid, &status, 0) == *pid);
        CHECK(WEXITSTATUS(status) == 3);
    }

    TEST_CASE("a program that isn't there is no child, and errno says why") {
        CHECK(!spawn_program({{"/no/such/program"}}, STDIN_FILENO));
        CHECK(errno == ENOENT);
        CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
    }

    TEST_CASE(
        "batch scheduling holds while it lives and is inherited, if it is wanted and nothing else was set") {
        const int before = ::sched_getscheduler(0);
        REQUIRE(before == SCHED_OTHER);
        {
            const BatchScheduling batch{true};
            CHECK(::sched_getscheduler(0) == SCHED_BATCH);
            CHECK(status_of([] { return ::sched_getscheduler(0); }) == SCHED_BATCH);
            const BatchScheduling again{true};
        }
        CHECK(::sched_getscheduler(0) == before);
        const BatchScheduling unwanted{false};
        CHECK(::sched_getscheduler(0) == before);
    }
}
