#include "pool/peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

namespace bullpen {

Peer Peer::of(const sockaddr* address, socklen_t size) noexcept {
    const std::optional<IpAddress> ip = IpAddress::of(address, size);
    if (!ip) return {};
    const in_port_t port = address->sa_family == AF_INET
                               ? reinterpret_cast<const sockaddr_in*>(address)->sin_port
                               : reinterpret_cast<const sockaddr_in6*>(address)->sin6_port;
    return {.address = *ip, .port = ntohs(port), .has_address = true};
}

std::string Peer::text() const {
    if (!has_address) return "unix:";
    const std::string numeric = address.text();
    return (address.is_v4() ? numeric : "[" + numeric + "]") + ":" + std::to_string(port);
}

}  // namespace bullpen
