/// How much one source of clients may ask for.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include <bullpen/network.hpp>

namespace bullpen {

/// Bits of an address that make a source.
struct SourcePrefixes {
    int v4 = 32;
    int v6 = 64;  ///< The prefix that a customer usually gets.
};

/// Limits of each source. A source is all clients whose addresses begin with the same prefix. All are off by
/// default.
struct SourceOptions {
    int connections_max = 0;      ///< Connections at once; 0: no limit.
    int rate_max = 0;             ///< New connections (datagrams) a second, also in one burst; 0: no limit.
    std::chrono::seconds ban{0};  ///< How long a source is banned after ban_after refusals; 0: never banned.
    int ban_after = 5;            ///< Refusals within ban_window that lead to a ban.
    std::chrono::seconds ban_window{10};  ///< Tries during a ban don't prolong it.
    SourcePrefixes prefix = {};
    std::vector<Network> trusted = {};  ///< Exempt: proxies, through which many clients come.
    std::size_t sources_max = 65'536;   ///< The most sources remembered, at about 150 bytes each.
    int forget_max = 1024;              ///< The most sources forgotten in one sweep.
};

}  // namespace bullpen
