/// A place: the index of a connection in the pool's table (see pool/connections.hpp), with its generation.
#pragma once

#include <cstdint>

namespace bullpen {

/// Names one connection from its accept to its end. The index is reused with another generation.
struct Place {
    std::uint32_t index = 0;
    std::uint32_t generation = 0;
    friend bool operator==(const Place&, const Place&) = default;
};

}  // namespace bullpen
