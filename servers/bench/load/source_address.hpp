/// Where a load client's connections come from.
#pragma once

#include <string>

#include "core/address.hpp"

namespace bullpen {

/// `host` with a port that connect() is to choose. Throws std::invalid_argument or std::system_error, one
/// sentence: no address, not of the server's family, or not one of this machine's.
Address parse_source(const std::string& host, const Address& server);

/// A source address for the n-th connection to a server on 127.0.0.0/8. A client that closes first keeps its
/// port in TIME_WAIT, and with half of the ports in it connect() searches for milliseconds; each address of
/// 127.0.0.0/8 has ports of its own. Unknown (none) for any other server.
Address spread_source(const Address& server, long connection) noexcept;

/// Before connect(). Unknown: leaves it to the kernel. False, with errno set, if it can't be.
[[nodiscard]] bool come_from(const Address& source, int socket) noexcept;

}  // namespace bullpen
