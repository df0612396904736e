/// A message of a seqpacket socket, and who sent it.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <optional>

namespace bullpen {

/// What Connection::read_message() has read.
struct ReceivedMessage {
    std::size_t size = 0;  ///< Bytes of it in the buffer.
    bool is_cut = false;   ///< It was longer than the buffer, and its rest is lost.

    /// The process that sent it (SCM_CREDENTIALS), as of the call that sent it; nothing: the kernel doesn't
    /// say. Believe `pid` only as far as it names a process that may have ended since.
    std::optional<ucred> sender = {};
};

}  // namespace bullpen
