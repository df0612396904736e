#include "servers/inetd/inetd_rule.hpp"

#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <stdexcept>

#include <bullpen/ip_address.hpp>
#include "core/parse_number.hpp"
#include "servers/inetd/inetd_protocol.hpp"
#include "servers/inetd/inetd_word.hpp"

namespace bullpen {
namespace {

std::string socket_has_protocol(InetdEntry& entry, const PortLookup&) {
    const auto allowed = protocols_of(entry.socket);
    const std::string_view protocol = row_of(entry.protocol).name;
    if (std::find(allowed.begin(), allowed.end(), protocol) != allowed.end()) return {};
    throw std::invalid_argument{"a " + std::string{name_of(entry.socket)} + " socket has no protocol " +
                                std::string{protocol} + "; expected " + any_of(allowed)};
}

std::string unix_service_is_path(InetdEntry& entry, const PortLookup&) {
    constexpr std::size_t path_bytes_max = sizeof(sockaddr_un::sun_path) - 1;
    if (entry.protocol != InetdProtocol::unix_domain) return {};
    if (entry.service.starts_with('/') && !entry.service.ends_with('/') &&
        entry.service.size() <= path_bytes_max)
        return {};
    throw std::invalid_argument{quoted(entry.service) +
                                " is not the path of a UNIX socket; expected one from / on of " +
                                std::to_string(path_bytes_max) + " bytes at most"};
}

std::string service_has_port(InetdEntry& entry, const PortLookup& ports) {
    const char* const transport = row_of(entry.protocol).transport;
    if (transport == nullptr) return {};
    const bool is_number = entry.service.find_first_not_of("0123456789") == std::string::npos;
    const auto port =
        is_number ? parse_number<std::uint16_t>(entry.service) : ports(entry.service, transport);
    const std::string kind = is_number ? "port" : std::string{"service of /etc/services over "} + transport;
    if (!port || *port == 0)
        throw std::invalid_argument{quoted(entry.service) + " is not a " + kind +
                                    "; expected a service's name or a port from 1 to 65535"};
    entry.port = *port;
    return {};
}

std::string addresses_have_protocol(InetdEntry& entry, const PortLookup&) {
    const InetdProtocolRow& row = row_of(entry.protocol);
    if (row.transport == nullptr) return {};
    for (const std::string& address : entry.addresses) {
        const bool is_v6 = address.find(':') != std::string::npos;
        const bool is_v4 = !is_v6 && IpAddress::parse(address);
        if ((is_v4 && !row.takes_v4) || (is_v6 && !row.takes_v6))
            throw std::invalid_argument{quoted(address) + " is no address for " + std::string{row.name} +
                                        "; expected an " + (is_v4 ? "IPv6" : "IPv4") +
                                        " address, or the protocol " + row.transport};
    }
    return {};
}

std::string limit_is_for_nowait(InetdEntry& entry, const PortLookup&) {
    if (entry.waits && !entry.internal && entry.max_per_source > 0)
        throw std::invalid_argument{
            "a program that waits takes its clients itself, and has no limit per source; "
            "expected wait or wait.MAX"};
    if (entry.socket == InetdSocket::dgram && !entry.waits && !entry.internal)
        return "dgram with nowait starts the program again and again until it has read the datagram; wait is "
               "usual";
    return {};
}

std::string internal_is_known(InetdEntry& entry, const PortLookup&) {
    if (!entry.internal || !internal_service(entry).empty()) return {};
    throw std::invalid_argument{quoted(entry.service) +
                                " is not an internal service; expected echo, discard, chargen, "
                                "daytime or time, or a program's path"};
}

constexpr InetdRule rules[] = {{"protocol", socket_has_protocol}, {"service", unix_service_is_path},
                               {"service", service_has_port},     {"service", addresses_have_protocol},
                               {"wait", limit_is_for_nowait},     {"program", internal_is_known}};

}  // namespace

std::span<const InetdRule> inetd_rules() {
    return rules;
}

std::string_view internal_service(const InetdEntry& entry) {
    struct Internal {
        std::string_view name;
        std::uint16_t port;
    };
    static constexpr Internal internals[] = {
        {"echo", 7}, {"discard", 9}, {"chargen", 19}, {"daytime", 13}, {"time", 37}};
    for (const Internal& one : internals)
        if (one.name == entry.service) return one.name;
    for (const Internal& one : internals)
        if (one.port == entry.port) return one.name;
    return {};
}

}  // namespace bullpen
