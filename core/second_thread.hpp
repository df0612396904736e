/// Whether this process may fork a server.
#pragma once

#include <sched.h>

#include <cerrno>

namespace bullpen {

/// Whether it has a second thread, which would be missing in the processes that are forked, and a lock that
/// it holds be held there for ever. The kernel knows (unshare(2)), with or without /proc.
inline bool has_second_thread() noexcept {
#ifdef __SANITIZE_THREAD__  // Which has a thread of its own.
    return false;
#else
    return ::unshare(CLONE_THREAD) != 0 && errno == EINVAL;
#endif
}

}  // namespace bullpen
