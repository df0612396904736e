/// What Connection::peek() is asked, and what it answers.
#pragma once

#include <cstddef>
#include <optional>

#include <bullpen/clock.hpp>
#include <bullpen/time_limits.hpp>

namespace bullpen {

/// How long to wait for what: the limit's time from now on, or until a fixed moment.
struct Patience {
    Limit limit = Limit::idle;
    std::optional<TimePoint> until = {};
};

/// What is there of a client's input, without having been taken.
struct Peeked {
    std::size_t size = 0;  ///< Bytes, from the first that nobody has taken.
    bool ended = false;    ///< The client has ended its side: no more will come.
};

}  // namespace bullpen
