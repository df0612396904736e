/// The first word of a line of inetd.conf: "ftp", "10.0.0.1,localhost:ftp", "[::1]:2121", "*:".
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bullpen {

/// Addresses without brackets, each once; empty: all addresses.
using InetdAddresses = std::vector<std::string>;

struct InetdAddressedService {
    std::optional<InetdAddresses> addresses;  ///< Nothing if the word names none.
    std::string service;                      ///< Empty if the word ends with ':'.
};

/// How many addresses may stand before one ':'.
inline constexpr std::size_t inetd_addresses_max = 64;

/// The last ':' ends the addresses, or the one before a path; a word that begins with '/' has none. "*" among
/// them means all. Throws std::invalid_argument, one sentence.
InetdAddressedService split_addresses(std::string_view word);

}  // namespace bullpen
