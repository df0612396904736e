/// A connection on its way to the handler.
#pragma once

#include <cstdint>

#include "core/connection.hpp"
#include "core/unique_fd.hpp"

namespace bullpen {

struct Client {
    UniqueFd socket;
    UniqueFd file = {};          ///< Parked with it, see Connection::file().
    std::uint64_t since_ns = 0;  ///< When it began to wait for a worker (CLOCK_MONOTONIC).
    ConnectionState state = {};  ///< The handler's own bytes, from before it was parked.
    Parking parking = {};        ///< How it was parked.
    std::uint32_t handoff = 0;   ///< Its number, to be repeated when the connection is given back.
    bool has_options = false;    ///< The socket has inherited its time-outs from its listener.
};

}  // namespace bullpen
