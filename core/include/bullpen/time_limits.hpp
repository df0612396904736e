/// How long things may take with one client. Every limit has a name, under which the metrics count it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace bullpen {

/// Which of a connection's limits ran out (bullpen_connections_timed_out_total's label).
enum class Limit : std::uint8_t { none, idle, header, body, read, write };
constexpr std::size_t limits_count = 6;

constexpr const char* name_of(Limit limit) noexcept {
    constexpr const char* names[limits_count] = {"none", "idle", "header", "body", "read", "write"};
    return names[static_cast<std::size_t>(limit)];
}

/// A transfer (body, write) has a deadline that moves with each `bytes` that pass:
///
///     deadline = min(deadline + bytes / rate, now + base)        // at first: now + base
///
/// With a base of 30 s and a rate of 500 B/s, a client that takes 250 B/s comes half a second closer to its
/// deadline each second and is cut after 60 s; one that takes 500 B/s never is, one that stops after 30 s.
struct TimeLimits {
    std::chrono::milliseconds idle{60'000};    ///< Between two requests, and before the first byte.
    std::chrono::milliseconds header{10'000};  ///< From a head's first byte to its last.
    std::chrono::milliseconds body{20'000};    ///< For what is read as a whole (Connection::read_exactly).
    int body_rate = 500;                       ///< Bytes per second.
    std::chrono::milliseconds read{60'000};    ///< Silence within a conversation (Connection::read_some).
    std::chrono::milliseconds write{30'000};   ///< For what is written to the client.
    int write_rate = 500;                      ///< Bytes per second.
    /// After the last answer, of a client that may still be sending: the longest silence,
    std::chrono::milliseconds linger{5'000};
    std::chrono::milliseconds linger_total{30'000};  ///< and the longest time in all.

    /// The limit's whole time; of Limit::none, that of `read`.
    [[nodiscard]] constexpr std::chrono::milliseconds of(Limit limit) const noexcept {
        switch (limit) {
            case Limit::idle: return idle;
            case Limit::header: return header;
            case Limit::body: return body;
            case Limit::write: return write;
            case Limit::none:
            case Limit::read: break;
        }
        return read;
    }
};

}  // namespace bullpen
