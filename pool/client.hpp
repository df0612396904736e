/// A connection on its way to the handler.
#pragma once

#include <cstdint>

#include "core/connection.hpp"
#include "core/unique_fd.hpp"

namespace bullpen {

struct Client {
    UniqueFd socket;
    std::uint64_t accepted_ns = 0;  ///< CLOCK_MONOTONIC.
    ConnectionState state = {};     ///< The handler's own, from an earlier turn.
    bool inherits_options = false;  ///< It has those of its listener; else they must be set.
};

}  // namespace bullpen
