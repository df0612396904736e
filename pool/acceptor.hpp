/// How a worker accepts by itself on the pool's listeners.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <span>

#include <bullpen/unique_fd.hpp>
#include "core/listener.hpp"
#include "core/thread.hpp"
#include "pool/client.hpp"

namespace bullpen {

/// Whether a worker should leave instead of waiting for the next client.
enum class Leave {
    no,
    when_empty,  ///< The server stops: leave once the backlog is empty.
    now,         ///< Only this worker is retired: others accept the clients that wait.
};

/// Whether accept4 failed for lack of descriptors or memory, so that a pause is needed. Any other failure
/// concerns one client, which is then no longer in the backlog.
[[nodiscard]] bool is_shortage(int accept_error) noexcept;

/// The wait, without a time limit, of a process's workers when no client has come for a slice. For a client
/// the kernel wakes one of all workers that wait on its listener, in any process (EPOLLEXCLUSIVE).
class IdleWait {
public:
    /// The listeners are borrowed; without any there is nothing to wait for. Throws std::system_error.
    explicit IdleWait(std::span<const Listener> listeners);

    /// Waits until a listener has a client, or an order of `orders` comes. Returns true if there may be a
    /// client: no other worker may have been woken for it, so the caller must try to accept once more, even
    /// if it has been told to leave. Any thread may call it.
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
    bool watched_ = false;  ///< The listeners are in the epoll, because there are sleepers.
};

/// Accepts for one thread. Blocks until there is a client or it is time to leave.
class Acceptor {
public:
    /// Borrows the listeners and the wait. With one listener, its accept4 must return after a slice at the
    /// latest (SO_RCVTIMEO): then a client costs one system call under load. Several must be non-blocking.
    Acceptor(std::span<const Listener> listeners, IdleWait& idle_wait) noexcept
        : listeners_{listeners}, idle_wait_{idle_wait} {}

    /// Waits for a client. Returns nothing if it is time to leave. `leave()` is asked before the first wait,
    /// whenever a wait was interrupted, and before the wait without a time limit.
    template <typename AskLeave>
    std::optional<Client> next(AskLeave leave) {
        for (bool woken = false;;) {
            if (!woken && leave() == Leave::now) return {};
            if (Client client = try_accept(); client.socket) return client;
            woken = false;
            switch (leave()) {
                case Leave::now: return {};
                case Leave::when_empty:
                    if (!has_clients()) return {};
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
    [[nodiscard]] bool has_clients() const noexcept;
    [[nodiscard]] bool wait_for_client(int timeout_ms) noexcept;

    std::span<const Listener> listeners_;
    IdleWait& idle_wait_;
    std::size_t ready_ = 0;     ///< The listener to accept from.
    bool nobody_came_ = false;  ///< The last try waited for a whole slice and got no client.
};

}  // namespace bullpen
