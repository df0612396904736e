#include "servers/bench/load/silent_clients.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace bullpen {

SilentClients::SilentClients(const Address& server, int count) {
    for (int i = 0; i < count; ++i) {
        UniqueFd socket{::socket(server.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
        if (!socket) return;
        if (::connect(socket.get(), server.data(), server.size()) == 0 || errno == EINPROGRESS)
            sockets_.push_back(std::move(socket));
    }
}

}  // namespace bullpen
