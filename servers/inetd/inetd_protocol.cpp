#include "servers/inetd/inetd_protocol.hpp"

#include <algorithm>

namespace bullpen {
namespace {

constexpr InetdProtocolRow protocols[] = {{"tcp", InetdProtocol::tcp, "tcp", true, true},
                                          {"tcp4", InetdProtocol::tcp4, "tcp", true, false},
                                          {"tcp6", InetdProtocol::tcp6, "tcp", false, true},
                                          {"tcp46", InetdProtocol::tcp46, "tcp", false, true},
                                          {"udp", InetdProtocol::udp, "udp", true, true},
                                          {"udp4", InetdProtocol::udp4, "udp", true, false},
                                          {"udp6", InetdProtocol::udp6, "udp", false, true},
                                          {"udp46", InetdProtocol::udp46, "udp", false, true},
                                          {"unix", InetdProtocol::unix_domain, nullptr, false, false}};

constexpr InetdSocketRow sockets[] = {
    {"stream", InetdSocket::stream}, {"dgram", InetdSocket::dgram}, {"seqpacket", InetdSocket::seqpacket}};

bool go_together(InetdSocket socket, const InetdProtocolRow& row) {
    if (row.transport == nullptr) return true;
    const std::string_view transport = row.transport;
    return (socket == InetdSocket::stream && transport == "tcp") ||
           (socket == InetdSocket::dgram && transport == "udp");
}

}  // namespace

std::span<const InetdProtocolRow> inetd_protocols() {
    return protocols;
}

const InetdProtocolRow& row_of(InetdProtocol protocol) {
    return *std::find_if(std::begin(protocols), std::end(protocols),
                         [&](const InetdProtocolRow& row) { return row.protocol == protocol; });
}

std::vector<std::string_view> protocols_of(InetdSocket socket) {
    std::vector<std::string_view> names;
    for (const InetdProtocolRow& row : protocols)
        if (go_together(socket, row)) names.push_back(row.name);
    return names;
}

std::span<const InetdSocketRow> inetd_sockets() {
    return sockets;
}

std::string_view name_of(InetdSocket socket) {
    return std::find_if(std::begin(sockets), std::end(sockets),
                        [&](const InetdSocketRow& row) { return row.socket == socket; })
        ->name;
}

}  // namespace bullpen
