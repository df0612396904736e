/// The accept lock: of the workers that share a listener, one at a time may wait on it (UNP 30.7, 30.8).
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>

#include <bullpen/accept_lock_kind.hpp>
#include <bullpen/unique_fd.hpp>

namespace bullpen {

/// Made by the master before the first fork and used by the workers; the master never takes it. A broken
/// worker that overwrites the shared mutex stops its siblings from accepting: this design can't prevent it.
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
        Turn() noexcept = default;  ///< No turn, because it is time to leave.
        explicit operator bool() const noexcept { return static_cast<bool>(lock_); }

    private:
        friend class AcceptLock;
        explicit Turn(AcceptLock& lock) noexcept : lock_{lock, std::adopt_lock} {}
        std::unique_lock<AcceptLock> lock_;
    };

    /// Waits for a turn; returns none if `leaving()` is true, which is asked before the wait and, with a
    /// file, at every signal. A signal doesn't interrupt the wait for a mutex: the signal handler may end the
    /// process instead, which is safe at any instruction because the lock is then free for others.
    [[nodiscard]] Turn take_turn(const std::function<bool()>& leaving);

    /// Called by the end of a Turn.
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
