/// Signals that would end a process and mean nothing to a server's processes (but to the keeper SIGUSR1 and
/// SIGUSR2).
#pragma once

#include <signal.h>

namespace bullpen {

[[nodiscard]] sigset_t meaningless_signals() noexcept;

/// Gives each of them that has the default action one that does nothing, in this process and those that it
/// forks. They aren't ignored, because a program that one of these starts by exec(3) would go on ignoring
/// them. A system call goes on (SA_RESTART), if it is none of those that never do (poll(2) and others,
/// signal(7)).
void outlive_meaningless_signals() noexcept;

/// Whether the signal has that action.
[[nodiscard]] bool is_outlived(int signal) noexcept;

/// Gives them back the default action, in a child that is no server.
void restore_meaningless_signals() noexcept;

}  // namespace bullpen
