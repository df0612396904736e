/// What the fields of a line of inetd.conf must be for each other.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "servers/inetd/inetd_conf.hpp"

namespace bullpen {

struct InetdRule {
    std::string_view field;  ///< As in InetdComplaint.

    /// Returns a warning, or nothing. Throws std::invalid_argument, one sentence.
    std::string (*check)(const InetdEntry& entry);
};

/// For an entry whose fields are right by themselves and whose port is known.
std::span<const InetdRule> inetd_rules();

/// The port of an entry's service; 0 for unix. Throws std::invalid_argument, one sentence.
std::uint16_t port_of(const InetdEntry& entry, const PortLookup& ports);

}  // namespace bullpen
