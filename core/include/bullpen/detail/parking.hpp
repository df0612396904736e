/// What a connection waits for while nobody serves it.
#pragma once

#include <cstdint>

#include <bullpen/time_limits.hpp>

namespace bullpen {

enum class Await : std::uint8_t { input, output };

/// Travels with a connection that a worker gives back. The master takes nothing in it for granted.
struct Parking {
    std::uint64_t deadline_ns = 0;  ///< CLOCK_MONOTONIC; 0: the limit's whole time from now on.
    std::uint32_t input_at_least =
        1;  ///< For input: the bytes that must be there (SO_RCVLOWAT, which the worker has set).
    Await what = Await::input;
    std::uint8_t in_vain : 3 = 0;  ///< Times in a row that a worker itself waited a moment for this client,
    std::uint8_t skips : 5 = 0;    ///< and how often none is to do so now. ClientWait keeps both.
    std::uint8_t idle_turns = 0;   ///< In a row: ServedConnection::check_progress().
    Limit limit = Limit::idle;  ///< Counts the connection if the deadline passes; none: it is then completed.
};

}  // namespace bullpen
