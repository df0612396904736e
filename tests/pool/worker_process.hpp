/// For tests: a worker's process without a master.
#pragma once

#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include <bullpen/unique_fd.hpp>
#include "core/process.hpp"
#include "pool/worker_process.hpp"

namespace bullpen {

/// Whether `body` returned true in a worker's process of its own, which has so many slots as `seat` says.
/// Its master is the test, unless the seat says another.
inline bool in_worker_process(
    WorkerSeat seat, const std::function<bool(WorkerProcess&)>& body,
    const Handler& handler = [](Connection&) {}, std::uint32_t depth = 1) {
    const pid_t maker = ::getpid();
    const auto pid = spawn_child([&] {
        if (!die_with_parent(SIGKILL, maker)) return 1;
        constexpr int patience_s = 60;
        ::alarm(patience_s);  // A test that hangs is to fail.
        unblock_signals();
        Scoreboard board{seat.slots, depth};
        const UniqueFd wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
        PoolOptions options;
        options.handler = handler;
        if (seat.keeper == 0) seat.keeper = ::getppid();
        seat.generation = 1;
        seat.wake = wake.get();
        WorkerProcess process{seat, board, options};
        return process.prepare() && body(process) ? 0 : 1;
    });
    int status = -1;
    if (pid) ::waitpid(*pid, &status, 0);
    return status == 0;
}

}  // namespace bullpen
