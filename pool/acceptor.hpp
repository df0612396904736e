/// How a worker accepts by itself on the pool's listeners.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "core/listener.hpp"
#include "pool/client.hpp"

namespace bullpen {

/// Whether a wait for clients is to go on.
enum class Leave {
    no,
    when_empty,  ///< The server stops: only once the backlog is empty.
    now,         ///< This worker alone is retired: others take what waits.
};

/// One thread's view of the listeners. Blocks until there is a client or it is time to leave.
class Acceptor {
public:
    /// The listeners are borrowed: one that blocks, or several that don't.
    explicit Acceptor(std::span<const Listener> listeners) noexcept : listeners_{listeners} {}

    /// Waits for a client. Nothing: it is time to leave. `leave()` is asked whenever the wait was
    /// interrupted.
    template <typename AskLeave>
    std::optional<Client> next(AskLeave leave) {
        for (;;) {
            if (Client client = try_accept(); client.socket) return client;
            switch (leave()) {
                case Leave::now: return {};
                case Leave::when_empty:
                    if (!wait_for_client(0)) return {};
                    break;
                case Leave::no: break;
            }
        }
    }

private:
    Client try_accept() noexcept;
    [[nodiscard]] bool wait_for_client(int timeout_ms) noexcept;

    std::span<const Listener> listeners_;
    std::size_t ready_ = 0;  ///< The listener to accept from.
};

}  // namespace bullpen
