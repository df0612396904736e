/// A connection in the master's hands.
#pragma once

#include "core/channel.hpp"
#include "core/clock.hpp"
#include "pool/peer.hpp"

namespace bullpen {

/// What the master keeps of a connection besides its socket, also while a worker has it.
struct Account {
    Peer peer;
    std::uint32_t listener = 0;  ///< Index of the pool's.
    std::uint64_t cookie = 0;    ///< The socket's (SO_COOKIE), once a worker has given it back; else 0.
    bool served = false;         ///< A worker has given it back between two requests.
};

struct HeldClient {
    Envelope envelope;
    Account account;
    std::uint32_t unsent = 0;  ///< Bytes in the kernel's buffer when it was parked to await output.

    [[nodiscard]] int socket() const noexcept { return envelope.descriptors[0].get(); }
    [[nodiscard]] const Parking& parking() const noexcept { return envelope.message.parking; }

    /// Between two requests, or before the first: nothing is lost if it is closed.
    [[nodiscard]] bool is_idle() const noexcept {
        return parking().limit == Limit::idle && parking().what == Await::input;
    }

    /// No answer has begun, so that a refusal can be understood as one.
    [[nodiscard]] bool may_be_refused() const noexcept {
        return is_idle() || (parking().limit == Limit::header && parking().what == Await::input);
    }
};

}  // namespace bullpen
