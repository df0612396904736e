/// Where a load client's connections come from.
#pragma once

#include <string>
#include <vector>

#include <bullpen/address.hpp>

namespace bullpen {

/// `host`, of which there may be several addresses, with a port that connect() is to choose. Throws
/// std::invalid_argument, one sentence.
std::vector<Address> resolve_source(const std::string& host);

/// Of these the first that is of the server's family. Throws std::invalid_argument or std::system_error, one
/// sentence: none is, or it isn't one of this machine's.
Address choose_source(const std::vector<Address>& sources, const Address& server);

/// A source address for the n-th connection to a server on 127.0.0.0/8. A client that closes first keeps its
/// port in TIME_WAIT, and with half of the ports in it connect() searches for milliseconds; each address of
/// 127.0.0.0/8 has ports of its own. Unknown (none) for any other server.
Address spread_source(const Address& server, long connection) noexcept;

/// Before connect(). Unknown: leaves it to the kernel. False, with errno set, if it can't be.
[[nodiscard]] bool come_from(const Address& source, int socket) noexcept;

}  // namespace bullpen
