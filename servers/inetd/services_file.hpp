/// /etc/services, or what nsswitch.conf(5) has in its place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace bullpen {

/// The port of a service by its official name or an alias, and "tcp" or "udp" (getservbyname_r(3)); nothing
/// if it isn't there. Opens the file anew each time. To be passed to parse_inetd_conf().
std::optional<std::uint16_t> port_in_services_file(const std::string& name, const char* protocol);

}  // namespace bullpen
