#include "core/peer_credentials.hpp"

#include <bullpen/address.hpp>

namespace bullpen {

/// Of a TCP socket the kernel returns a process 0 without a user.
std::optional<ucred> peer_credentials_of(int socket) noexcept {
    if (Address::of_socket(socket).family() != AF_UNIX) return {};
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return {};
    return credentials;
}

}  // namespace bullpen
