/// A listener that a reload adds.
#pragma once

#include <cstdint>

namespace bullpen {

/// Owned by a UniqueFd in the master, by a TableFd in memory that outlives it, by a Listener in the keeper.
template <typename Owner>
struct NewListener {
    Owner listener;
    std::uint32_t pool = 0;  ///< The indexes of its pool, and
    std::uint32_t text = 0;  ///< of its text in Options::listen.
};

}  // namespace bullpen
