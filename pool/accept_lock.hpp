/// Turns at accept: of the workers that share a listener, one at a time may wait on it (UNP 30.7, 30.8).
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>

#include "core/unique_fd.hpp"

namespace bullpen {

/// What the workers' lock is made of. Either is free again when its owner is killed.
enum class AcceptLockKind {
    mutex,  ///< A robust mutex shared between processes (pthread_mutexattr_setrobust(3)).
    file,   ///< A POSIX record lock, fcntl(2), on a file without a name.
};

/// Made by the master before the first fork and used by the workers. The master never takes it. A worker that
/// writes nonsense into the shared mutex stops its siblings' accepting: the price of this design.
class AcceptLock {
public:
    /// Throws std::system_error.
    explicit AcceptLock(AcceptLockKind kind);
    ~AcceptLock();
    AcceptLock(const AcceptLock&) = delete;
    AcceptLock& operator=(const AcceptLock&) = delete;

    /// One worker's turn, which ends with this object.
    class Turn {
    public:
        Turn() noexcept = default;  ///< None: it was time to leave.
        explicit operator bool() const noexcept { return static_cast<bool>(lock_); }

    private:
        friend class AcceptLock;
        explicit Turn(AcceptLock& lock) noexcept : lock_{lock, std::adopt_lock} {}
        std::unique_lock<AcceptLock> lock_;
    };

    /// Waits for a turn; none once `leaving()` says so, which is asked at first and, with a file, at every
    /// signal. A mutex's wait is not interrupted by signals: their handler may end the process instead, which
    /// at any instruction leaves the lock to others.
    [[nodiscard]] Turn take_turn(const std::function<bool()>& leaving);

    /// For Turn's end.
    void unlock() noexcept;

    /// The file, borrowed, which a worker must keep open; -1 for a mutex.
    [[nodiscard]] int fd() const noexcept { return file_.get(); }

private:
    enum class Locked { yes, not_yet };
    Locked wait_for_it() noexcept;
    [[nodiscard]] bool set_file_lock(int command, short type) const noexcept;

    pthread_mutex_t* mutex_ = nullptr;  ///< In anonymous memory that forked workers share.
    UniqueFd file_;
};

}  // namespace bullpen
