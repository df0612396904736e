/// Processes: how a child is born, what it keeps, and how it learns that its parent has died.
#pragma once

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <bullpen/program.hpp>

namespace bullpen {

/// Blocks all signals while it lives, so that none is handled between a fork and the child's own set-up: the
/// child would run its parent's handlers.
class SignalsBlocked {
public:
    SignalsBlocked() noexcept;
    ~SignalsBlocked();
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
    sigset_t before_;
};

/// While it lives, and if it is `wanted`, the calling thread runs under SCHED_BATCH in place of SCHED_OTHER:
/// when it is woken it doesn't take the CPU from who has it (sched(7)). Children inherit that.
class BatchScheduling {
public:
    explicit BatchScheduling(bool wanted) noexcept;
    ~BatchScheduling();
    BatchScheduling(const BatchScheduling&) = delete;
    BatchScheduling& operator=(const BatchScheduling&) = delete;

private:
    bool changed_ = false;
};

/// Forks a child that runs `body` and ends in _exit() with its result (1 if it throws, after one line on
/// stderr): no stack of the parent is unwound, no atexit handler runs twice. In the child the signals
/// that servers handle have their default action (but for those that the parent outlives, see
/// outlive_meaningless_signals), and all are blocked until the body calls unblock_signals().
/// Returns the pid, or nothing (errno set) when the system is out of processes: that is weather, not a bug.
/// The caller has one thread.
[[nodiscard]] std::optional<pid_t> spawn_child(const std::function<int()>& body);

/// As spawn_child(), for a child that shares this process's table of descriptors: what either opens or closes
/// is open or closed for both, and the end of one closes nothing. pthread_atfork(3) handlers don't run.
[[nodiscard]] std::optional<pid_t> spawn_sharing_descriptors(const std::function<int()>& body);

/// As spawn_child(), for a child of this process's parent, which reaps it. Its pid is in `pid` before it
/// runs, whatever happens to the caller meanwhile. pthread_atfork(3) handlers don't run.
[[nodiscard]] std::optional<pid_t> spawn_sibling(const std::function<int()>& body, pid_t& pid);

/// Starts a program without a shell: `connection` (borrowed) is its standard input, output and error, no
/// other descriptor is open in it, its signals have their default actions, and of the environment it gets
/// PATH and, as under systemd's Accept=yes, REMOTE_ADDR and REMOTE_PORT of a TCP client. It outlives us.
/// Returns the pid, or nothing (errno set).
[[nodiscard]] std::optional<pid_t> spawn_program(const Program& program, int connection);

void unblock_signals() noexcept;

/// Asks for `signal` at the death of the parent (PR_SET_PDEATHSIG). False if the parent, `expected`, has died
/// before: then the signal will never come. Call after any change of uid (setuid(2) clears it).
[[nodiscard]] bool die_with_parent(int signal, pid_t expected) noexcept;

/// Closes all descriptors above 2 but those listed, the log's own and those of bullpen's orders
/// (close_range(2)). A child calls it first of all: a channel or a listener that it keeps by mistake stays
/// open for everybody.
void close_all_except(std::span<const int> kept) noexcept;

/// "was killed by signal 9 (Killed)", "exited with status 1": how a process ended, as waitpid(2) said.
[[nodiscard]] std::string describe_end(int status);

/// All descriptors that this process has open; without /proc, those below 65,536.
std::vector<int> list_descriptors();

/// Raises RLIMIT_STACK, which the main thread keeps to from then on, if it is so small that a start would
/// crash. Throws std::runtime_error if it can't be raised.
void need_stack();

/// Raises RLIMIT_NOFILE to its hard limit and returns it: connection limits are computed from it.
rlim_t raise_descriptor_limit() noexcept;

}  // namespace bullpen
