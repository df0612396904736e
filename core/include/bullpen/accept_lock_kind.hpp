/// What the workers of the model prefork-lock take turns by.
#pragma once

namespace bullpen {

/// Both kinds are free again when their owner is killed.
enum class AcceptLockKind {
    mutex,  ///< A robust mutex shared between processes (pthread_mutexattr_setrobust(3)).
    file,   ///< A POSIX record lock, fcntl(2), on a file without a name.
};

}  // namespace bullpen
