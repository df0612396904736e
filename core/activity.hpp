/// What a worker says of itself.
#pragma once

#include <cstdint>

namespace bullpen {

/// Lives in shared memory as a number. For people: the master finds free workers by its counts.
enum class Activity : std::uint32_t {
    starting,
    idle,
    busy,
    absent,  ///< Its process lives, but has no thread in this slot.
};

}  // namespace bullpen
