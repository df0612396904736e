#include "servers/bench/load/source_address.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include <bullpen/unique_fd.hpp>
#include "core/resolve.hpp"

namespace bullpen {

std::vector<Address> resolve_source(const std::string& host) {
    const bool is_v6 = host.find(':') != std::string::npos;
    try {
        return resolve(is_v6 ? "[" + host + "]:0" : host + ":0");
    } catch (const AddressError&) {
        throw std::invalid_argument{"--source: expected an IP address of this machine, got '" + host + "'"};
    }
}

Address choose_source(const std::vector<Address>& sources, const Address& server) {
    if (server.family() != AF_INET && server.family() != AF_INET6)
        throw std::invalid_argument{"--source: it goes with a server on TCP"};
    const auto source = std::find_if(sources.begin(), sources.end(),
                                     [&](const Address& one) { return one.family() == server.family(); });
    if (source == sources.end())
        throw std::invalid_argument{"--source: nothing gets from " + sources.front().host() + " to " +
                                    server.text() + ", one is IPv4 and one IPv6"};
    const UniqueFd socket{::socket(source->family(), SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!socket || !come_from(*source, socket.get()))
        throw std::system_error{errno, std::generic_category(),
                                "--source: cannot come from " + source->host()};
    return *source;
}

Address spread_source(const Address& server, long connection) noexcept {
    constexpr long connections_each = 8'192;
    constexpr long sources = 250;
    constexpr std::uint32_t first_source = 0x7f00'0002;  // 127.0.0.2
    constexpr std::uint32_t net_mask = 0xff00'0000;
    if (server.family() != AF_INET) return {};
    sockaddr_in address{};
    std::memcpy(&address, server.data(), sizeof address);
    if ((ntohl(address.sin_addr.s_addr) & net_mask) != (first_source & net_mask)) return {};
    const auto source = static_cast<std::uint32_t>(connection / connections_each % sources);
    address.sin_addr.s_addr = htonl(first_source + source);
    address.sin_port = 0;
    return {reinterpret_cast<const sockaddr*>(&address), sizeof address};
}

bool come_from(const Address& source, int socket) noexcept {
    if (source.family() == AF_UNSPEC) return true;
    constexpr int on = 1;
    ::setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return ::bind(socket, source.data(), source.size()) == 0;
}

}  // namespace bullpen
