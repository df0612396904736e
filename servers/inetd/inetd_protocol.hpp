/// The protocols of inetd.conf, and what each may go with.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "servers/inetd/inetd_conf.hpp"

namespace bullpen {

struct InetdProtocolRow {
    std::string_view name;
    InetdProtocol protocol;
    const char* transport;  ///< As PortLookup takes it; null for unix.
    bool takes_v4;          ///< Whether it may be bound to an IPv4 address.
    bool takes_v6;
};

/// All, in the order in which they are listed to users.
std::span<const InetdProtocolRow> inetd_protocols();

const InetdProtocolRow& row_of(InetdProtocol protocol);

/// The names of those that a socket of the type may have.
std::vector<std::string_view> protocols_of(InetdSocket socket);

struct InetdSocketRow {
    std::string_view name;
    InetdSocket socket;
};

std::span<const InetdSocketRow> inetd_sockets();

std::string_view name_of(InetdSocket socket);

}  // namespace bullpen
