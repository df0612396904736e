/// For tests: a program that runs in a process of its own.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>

#include <bullpen/unique_fd.hpp>
#include "core/process.hpp"

namespace bullpen {

struct Ended {
    int status = -1;   ///< main()'s; -1: a signal has killed it.
    std::string said;  ///< On stderr.

    /// Whether it has said one sentence, as programs say what is wrong.
    [[nodiscard]] bool is_one_sentence() const {
        return said.starts_with(std::string{::program_invocation_short_name} + ": ") &&
               said.find('\n') == said.size() - 1;
    }
};

inline Ended end_of_program(const std::function<int()>& main) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const UniqueFd reading{ends[0]};
    UniqueFd writing{ends[1]};
    const pid_t maker = ::getpid();
    const auto pid = spawn_child([&] {
        if (!die_with_parent(SIGKILL, maker)) return 1;
        ::dup2(writing.get(), STDERR_FILENO);
        return main();
    });
    writing.reset();
    Ended ended;
    char buffer[512];
    for (ssize_t size; (size = ::read(reading.get(), buffer, sizeof buffer)) > 0;)
        ended.said.append(buffer, static_cast<std::size_t>(size));
    int status = 0;
    ::waitpid(*pid, &status, 0);
    if (WIFEXITED(status)) ended.status = WEXITSTATUS(status);
    return ended;
}

}  // namespace bullpen
