/// A peer: the address at the other end of a connection, in at most 24 bytes, because the master keeps one
/// for each connection.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include <bullpen/ip_address.hpp>

namespace bullpen {

struct Peer {
    IpAddress address;         ///< "::" for a client without one.
    std::uint16_t port = 0;    ///< In host order.
    bool has_address = false;  ///< False for a client of a UNIX socket.

    /// Made from the address that accept4(2) filled in.
    static Peer of(const sockaddr* address, socklen_t size) noexcept;

    friend bool operator==(const Peer&, const Peer&) = default;

    /// As Address::text(): "127.0.0.1:8080", "[::1]:8080", or "unix:" for a client without an address.
    [[nodiscard]] std::string text() const;
};
static_assert(sizeof(Peer) <= 24);

}  // namespace bullpen
