#include "servers/bench/load/silent_clients.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace bullpen {

SilentClients::SilentClients(const Address& server, int count, std::string_view first) {
    for (int i = 0; i < count; ++i) {
        UniqueFd socket{
            ::socket(server.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, server.protocol())};
        if (!socket) return;
        if (::connect(socket.get(), server.data(), server.size()) == 0 || errno == EINPROGRESS)
            sockets_.push_back(std::move(socket));
    }
    for (const UniqueFd& socket : sockets_) {
        constexpr int patience_ms = 100;
        pollfd connected{.fd = socket.get(), .events = POLLOUT, .revents = 0};
        if (::poll(&connected, 1, patience_ms) == 1)
            (void)::send(socket.get(), first.data(), first.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

}  // namespace bullpen
