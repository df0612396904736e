/// Who is at the other end of a UNIX socket.
#pragma once

#include <sys/socket.h>

#include <optional>

namespace bullpen {

/// SO_PEERCRED of a connected socket: as of its connect(2). Nothing for any but a UNIX socket.
std::optional<ucred> peer_credentials_of(int socket) noexcept;

}  // namespace bullpen
