/// A connection on its way to the handler.
#pragma once

#include <cstdint>

#include <bullpen/connection.hpp>
#include <bullpen/unique_fd.hpp>

namespace bullpen {

struct Client {
    UniqueFd socket = {};
    UniqueFd file = {};            ///< Parked with it, see Connection::file().
    std::uint64_t since_ns = 0;    ///< When it began to wait for a worker (CLOCK_MONOTONIC).
    Resumption resumption = {};    ///< How it was parked, and what its last handler has left.
    HandoffProgress handoff = {};  ///< Where the worker says how far it has come with it.
    bool has_options = false;      ///< The socket has inherited its time-outs from its listener.
};

}  // namespace bullpen
