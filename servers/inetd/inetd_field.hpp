/// A field of a line of inetd.conf, by itself.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "servers/inetd/inetd_conf.hpp"

namespace bullpen {

struct InetdField {
    std::string_view name;      ///< As in InetdComplaint.
    std::string_view expected;  ///< Where the line ends before it.

    /// Sets what the word says. Returns a warning, or nothing. Throws std::invalid_argument, one sentence.
    std::string (*read)(std::string_view word, InetdEntry& entry);
};

/// Those that every line has, in their order; the arguments come after them. The service's leaves the
/// entry's addresses as they are if its word names none.
std::span<const InetdField> inetd_fields();

}  // namespace bullpen
