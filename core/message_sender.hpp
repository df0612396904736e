/// Who sent a message over a UNIX socket (SCM_CREDENTIALS).
#pragma once

#include <cstddef>
#include <span>

#include <bullpen/received_message.hpp>
#include "core/transfer_step.hpp"

namespace bullpen {

/// SO_PASSCRED, of a connected socket or of a listener whose accepted sockets inherit it. Messages that were
/// sent to a connected socket before have no sender. No effect on any but a UNIX socket.
void learn_senders(int socket) noexcept;

/// recvmsg(2) without waiting. An empty message has a size of 0 and a sender; the end has none. Descriptors
/// that the client sends are closed.
TransferStep receive_message_step(int socket, std::span<std::byte> buffer, ReceivedMessage& message) noexcept;

}  // namespace bullpen
