/// Where a table keeps an address.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <bullpen/ip_address.hpp>

namespace bullpen {

/// A hash for tables of clients, which may choose their addresses: each object has random keys of its own, so
/// that addresses which collide can't be found without them (multiply-add-shift, which is strongly
/// universal).
class IpAddressHash {
public:
    IpAddressHash();

    std::size_t operator()(const IpAddress& address) const noexcept;

private:
    std::array<std::uint64_t, 5> keys_;
};

}  // namespace bullpen
