/// A thread whose stack is small and whose signals are all blocked but one.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <cstddef>
#include <functional>
#include <utility>

namespace bullpen {

/// Blocks the orders to leave, SIGTERM and SIGUSR2, for this thread while it lives: between a look
/// whether an order was given and a wait with the mask before() (ppoll(2), epoll_pwait(2)) none is missed.
class BlockedOrders {
public:
    BlockedOrders() noexcept;
    ~BlockedOrders();
    BlockedOrders(const BlockedOrders&) = delete;
    BlockedOrders& operator=(const BlockedOrders&) = delete;

    [[nodiscard]] const sigset_t& before() const noexcept { return before_; }

private:
    sigset_t before_;
};

/// Owns a POSIX thread; joins it at its end. What std::thread can't set at a thread's birth: the size of its
/// stack (of the default 8 MiB the C library keeps only five for reuse, and a thread per client then maps and
/// unmaps one each) and its signal mask.
class Thread {
public:
    static constexpr std::size_t stack_size = 1024 * 1024;

    Thread() noexcept = default;  ///< None.

    /// Starts it. All signals but SIGUSR2 are blocked in it. Throws std::system_error when the system is out
    /// of threads. What `body` throws ends the process.
    explicit Thread(std::function<void()> body);

    Thread(Thread&& other) noexcept : handle_{other.handle_}, runs_{std::exchange(other.runs_, false)} {}
    Thread& operator=(Thread&& other) noexcept {
        join();
        handle_ = other.handle_;
        runs_ = std::exchange(other.runs_, false);
        return *this;
    }
    ~Thread() { join(); }

    void join() noexcept;

    /// Lets a system call in which it is blocked fail with EINTR (SIGUSR2, see interruptible_threads). A wait
    /// that begins just afterwards is not ended: ask again until it has reacted.
    void interrupt() const noexcept;

    /// In a child that was forked by a Thread: unblocks the signals that the thread had blocked from its
    /// birth. In any other it does nothing.
    static void unblock_signals_of_child() noexcept;

private:
    pthread_t handle_{};
    bool runs_ = false;
};

/// Installs SIGUSR2's empty handler, without SA_RESTART. Once in a process, before its first thread.
void make_threads_interruptible() noexcept;

}  // namespace bullpen
