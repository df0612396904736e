/// A connection on its way to the handler.
#pragma once

#include <cstdint>

#include "core/connection.hpp"
#include "core/unique_fd.hpp"

namespace bullpen {

struct Client {
    UniqueFd socket;
    UniqueFd file = {};          ///< Parked with it, see Connection::file().
    std::uint64_t since_ns = 0;  ///< CLOCK_MONOTONIC since when it has been waiting for a worker.
    ConnectionState state = {};  ///< The handler's own, from an earlier turn.
    Parking parking = {};        ///< How it was parked then.
    std::uint32_t handoff = 0;   ///< Its number, to be repeated when the connection is given back.
    bool has_options = false;    ///< The socket has its time-outs from its listener.
};

}  // namespace bullpen
