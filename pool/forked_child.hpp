/// The processes that a worker's handler forks: what they don't get of the worker.
#pragma once

#include <cstddef>
#include <functional>

namespace bullpen {

// A child that fork(2) makes has copies of all that the worker's process has. With the worker's channel it
// could steal clients, with its listener deafen the server, and in its row of the scoreboard ruin the counts.
// So, before fork() returns in a child of this process, what was named to these functions is taken from it.
// The descriptors that the handler has opened itself are left alone, and so is the client's socket. Programs
// that are started without fork(2) (posix_spawn, system, popen, vfork) see none of this: there O_CLOEXEC does
// it.
//
// To be called by the worker's process before the first handler runs.

/// Closes `fd` in every child.
void keep_from_children(int fd);

/// Gives every child, in place of these whole pages, private ones full of zeros.
void keep_from_children(void* pages, std::size_t size);

/// Restores the default action of `signal` in every child, unless the handler has set another one than this
/// process has now. A child that is forked by a Thread has no signal blocked.
void keep_action_from_children(int signal);

/// Runs in every child, last of all.
void run_in_children(std::function<void()> action);

/// Whether this is such a child.
[[nodiscard]] bool is_forked_child() noexcept;

/// In such a child: ends it. It came back from the handler, and isn't to go on as a second worker.
void end_forked_child() noexcept;

}  // namespace bullpen
