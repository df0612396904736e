/// Datagrams that the kernel threw away because a receive buffer was full.
#pragma once

#include <cstdint>
#include <string_view>

namespace bullpen {

/// Of all UDP sockets over IPv4 with this local port, since each was made.
std::int64_t datagrams_dropped_at(std::uint16_t port);

/// The same, of the text of /proc/net/udp (proc(5)). Lines that it can't read count nothing.
std::int64_t parse_dropped(std::string_view proc_net_udp, std::uint16_t port);

}  // namespace bullpen
