/// What the fields of a line of inetd.conf must be for each other.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "servers/inetd/inetd_conf.hpp"

namespace bullpen {

struct InetdRule {
    std::string_view field;  ///< As in InetdComplaint.

    /// Returns a warning, or nothing. Throws std::invalid_argument, one sentence.
    std::string (*check)(InetdEntry& entry, const PortLookup& ports);
};

/// For an entry whose fields are right by themselves: each for one that the rules before it found right. One
/// of them sets the port.
std::span<const InetdRule> inetd_rules();

}  // namespace bullpen
