/// Lingering: reading on after the last answer, from a client that may still be sending.
///
/// A close while bytes are unread, or before others arrive, resets the connection and destroys the answer on
/// its way. So our side is ended (FIN), and what the client sends is thrown away until it ends its side.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <bullpen/clock.hpp>
#include <bullpen/time_limits.hpp>

namespace bullpen {

/// What there was to throw away.
enum class Discarded : std::uint8_t {
    some,     ///< There may be more at once.
    nothing,  ///< More may come.
    end,      ///< No more will come: the client has ended its side, or has left.
};

constexpr std::size_t discarded_at_once = 64 * 1024;  ///< Bytes at most.

/// Throws away what the client has sent, without waiting.
Discarded discard_input(int socket) noexcept;

/// Whether our side has been ended, be it by another process. Sends nothing.
bool output_is_ended(int socket) noexcept;

/// Until when a client is waited for that has lingered since `begun` and was last heard of at `heard`. At a
/// stop the whole may take no longer than one silence.
constexpr TimePoint linger_until(TimePoint begun, TimePoint heard, const TimeLimits& limits,
                                 bool stopping) noexcept {
    const std::chrono::milliseconds whole =
        stopping ? std::min(limits.linger, limits.linger_total) : limits.linger_total;
    return std::min(heard + limits.linger, begun + whole);
}

}  // namespace bullpen
