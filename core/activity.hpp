/// What a worker says of itself.
#pragma once

#include <cstdint>

namespace bullpen {

/// Lives in shared memory as a number. For people, and for choosing whom to hand a client to when no worker
/// is idle; who is free the master decides by counts.
enum class Activity : std::uint32_t {
    starting,
    idle,
    busy,
    absent,    ///< Its process lives, but has no thread in this slot.
    awaiting,  ///< Busy only with waiting for its client's next request; a message on its channel ends that.
};

}  // namespace bullpen
