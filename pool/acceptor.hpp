/// How a worker accepts by itself on the pool's listeners.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <span>

#include "core/listener.hpp"
#include "core/thread.hpp"
#include "core/unique_fd.hpp"
#include "pool/client.hpp"

namespace bullpen {

/// Whether a wait for clients is to go on.
enum class Leave {
    no,
    when_empty,  ///< The server stops: only once the backlog is empty.
    now,         ///< This worker alone is retired: others take what waits.
};

/// Whether accept4 failed for want of something that others may give back: worth a pause. Any other failure
/// is that of one client, which has left the backlog with it.
[[nodiscard]] bool is_shortage(int accept_error) noexcept;

/// Where the workers of one process sleep when no client has come for a while, without a time limit: of all
/// that sleep on a listener, in whichever process, the kernel wakes one for a client (EPOLLEXCLUSIVE).
class IdleWait {
public:
    /// The listeners are borrowed; without any it waits for nothing. Throws std::system_error.
    explicit IdleWait(std::span<const Listener> listeners);

    /// Waits until a listener has a client, or an order of `orders` comes. True: there may be a client,
    /// and perhaps nobody else was woken for it, so the caller must try to accept once more whatever else it
    /// has been told. Any thread may call it.
    [[nodiscard]] bool wait(const BlockedOrders& orders);

    /// The epoll descriptor, borrowed.
    [[nodiscard]] int fd() const noexcept { return epoll_.get(); }

private:
    [[nodiscard]] bool begin();
    void end();

    std::span<const Listener> listeners_;
    UniqueFd epoll_;
    std::mutex mutex_;
    int sleepers_ = 0;      ///< Threads in wait().
    bool watched_ = false;  ///< All listeners, while there are any.
};

/// One thread's view of the listeners. Blocks until there is a client or it is time to leave.
class Acceptor {
public:
    /// The listeners are borrowed: one whose accept4 comes back by itself after a slice (SO_RCVTIMEO), which
    /// under load costs one system call a client; or some that don't block. So is the wait.
    Acceptor(std::span<const Listener> listeners, IdleWait& idle_wait) noexcept
        : listeners_{listeners}, idle_wait_{idle_wait} {}

    /// Waits for a client. Nothing: it is time to leave, which `leave()` is asked at first, whenever the wait
    /// was interrupted, and before the wait without a time limit.
    template <typename AskLeave>
    std::optional<Client> next(AskLeave leave) {
        for (bool woken = false;;) {
            if (!woken && leave() == Leave::now) return {};
            if (Client client = try_accept(); client.socket) return client;
            woken = false;
            switch (leave()) {
                case Leave::now: return {};
                case Leave::when_empty:
                    if (!wait_for_client(0)) return {};
                    break;
                case Leave::no: {
                    if (!nobody_came_) break;
                    const BlockedOrders orders;
                    if (leave() == Leave::no) woken = idle_wait_.wait(orders);
                    break;
                }
            }
        }
    }

private:
    Client try_accept() noexcept;
    [[nodiscard]] bool wait_for_client(int timeout_ms) noexcept;

    std::span<const Listener> listeners_;
    IdleWait& idle_wait_;
    std::size_t ready_ = 0;     ///< The listener to accept from.
    bool nobody_came_ = false;  ///< Within a slice, when it was last tried.
};

}  // namespace bullpen
