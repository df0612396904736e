#include "core/meaningless_signals.hpp"

#include <doctest/doctest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "core/process.hpp"

using namespace bullpen;

namespace {

int end_of(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int end_of_child(const std::function<int()>& body) {
    return end_of(*spawn_child([&] {
        unblock_signals();
        return body();
    }));
}

/// How a program ends that sends itself this signal.
int end_of_program(const std::string& signal) {
    const std::string script = "kill -" + signal + " $$";
    const char* const arguments[] = {"sh", "-c", script.c_str(), nullptr};
    pid_t pid = 0;
    if (::posix_spawn(&pid, "/bin/sh", nullptr, nullptr, const_cast<char**>(arguments), environ) != 0)
        return 0;
    return end_of(pid);
}

int raise_all() {
    const sigset_t set = meaningless_signals();
    int raised = 0;
    for (int signal = 1; signal <= SIGRTMAX; ++signal)
        if (::sigismember(&set, signal) == 1) raised += ::raise(signal) == 0 ? 1 : 0;
    return raised;
}

}  // namespace

TEST_SUITE("core: signals that mean nothing") {
    TEST_CASE("they end neither the process nor a child that it spawns") {
        CHECK(end_of_child([] {
                  outlive_meaningless_signals();
                  const int raised = raise_all();
                  return raised > 30 && end_of_child([] { return raise_all(); }) == raised ? 7 : 8;
              }) == 7);
    }

    TEST_CASE("a program that the process starts has the default actions") {
        CHECK(end_of_child([] {
                  outlive_meaningless_signals();
                  return end_of_program("USR1") == -SIGUSR1 && end_of_program("ALRM") == -SIGALRM ? 7 : 8;
              }) == 7);
    }

    TEST_CASE("so has a child that asks for them") {
        CHECK(end_of_child([] {
                  outlive_meaningless_signals();
                  restore_meaningless_signals();
                  return raise_all();
              }) == -SIGUSR1);
    }

    TEST_CASE("an action that somebody has chosen stays") {
        CHECK(end_of_child([] {
                  ::signal(SIGPROF, SIG_IGN);
                  outlive_meaningless_signals();
                  restore_meaningless_signals();
                  ::raise(SIGPROF);
                  return is_outlived(SIGPROF) ? 8 : 7;
              }) == 7);
    }
}
