/// Forked children: processes that a worker's handler forks, and what of the worker is taken from them.
#pragma once

#include <cstddef>
#include <functional>

namespace bullpen {

// A child made by fork(2) has copies of everything in the worker's process. With the worker's channel it
// could steal clients, with its listener stop the server from accepting, and in the worker's row falsify the
// counts. So, before fork() returns in a child of this process, everything that was passed to these functions
// is taken from it. Descriptors that the handler itself has opened stay, and so does the client's socket; a
// handler that leaves the connection to its child calls Connection::detach(). Programs that are started
// without fork(2) (posix_spawn, system, popen, vfork) don't run this: O_CLOEXEC closes there.
//
// The worker's process calls these functions before the first handler runs.

/// Closes `fd` in every child.
void keep_from_children(int fd);

/// Replaces these whole pages in every child by private pages of zeros.
void keep_from_children(void* pages, std::size_t size);

/// Restores the default action of `signal` in every child, unless the handler has set another action than the
/// one that this process has now. A child that is forked by a Thread has no signal blocked.
void keep_action_from_children(int signal);

/// Runs `action` in every child, after everything else here.
void run_in_children(std::function<void()> action);

/// Whether this process is such a child.
[[nodiscard]] bool is_forked_child() noexcept;

/// Ends this process if it is such a child: it has returned from the handler and must not become a second
/// worker.
void end_forked_child() noexcept;

}  // namespace bullpen
