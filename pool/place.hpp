/// Where a connection stands in the pool's table (see pool/connections.hpp).
#pragma once

#include <cstdint>

namespace bullpen {

/// Names one connection for as long as it lives: the place is used again, with another generation.
struct Place {
    std::uint32_t index = 0;
    std::uint32_t generation = 0;
    friend bool operator==(const Place&, const Place&) = default;
};

}  // namespace bullpen
