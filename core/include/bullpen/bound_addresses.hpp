/// Where a server listens.
#pragma once

#include <string>
#include <vector>

#include <bullpen/address.hpp>

namespace bullpen {

struct BoundAddress {
    std::string pool;  ///< Options::name.
    Address address;
};

struct BoundAddresses {
    std::vector<BoundAddress> pools;  ///< In the order of the pools and of their Options::listen.
    std::vector<Address> metrics;     ///< Of Options::metrics; none if that is off.
};

}  // namespace bullpen
