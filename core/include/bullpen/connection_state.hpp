/// What a handler keeps with a connection.
#pragma once

#include <array>
#include <cstddef>

namespace bullpen {

/// Bytes that a handler keeps with a connection from one of its turns to the next; all 0 for a new
/// connection.
using ConnectionState = std::array<std::byte, 64>;

}  // namespace bullpen
