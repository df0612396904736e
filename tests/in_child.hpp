/// For tests: what would change the test's own process for good.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "core/log.hpp"
#include "core/process.hpp"

namespace bullpen {

/// In a process of its own, whose limits and signals are nobody else's.
inline bool in_child(const std::function<bool()>& body) {
    const auto pid = spawn_child([&] {
        constexpr int patience_s = 60;
        unblock_signals();
        ::alarm(patience_s);
        set_log_level(LogLevel::error);
        return body() ? 0 : 1;
    });
    int status = -1;
    if (pid) ::waitpid(*pid, &status, 0);
    return status == 0;
}

}  // namespace bullpen
