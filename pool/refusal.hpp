/// Refusals: why a client is closed before a worker has begun with it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bullpen {

/// bullpen_connections_refused_total's label.
enum class Refusal : std::uint8_t {
    overload,     ///< The queue is full, or the client waited there for longer than queue_timeout.
    startups,     ///< Early random drop: too many clients are unserved.
    source,       ///< Too many connections at once from its source.
    rate,         ///< Too many new connections a second from its source.
    banned,       ///< Its source was refused too often.
    denied,       ///< The listener's lists exclude its address or its user.
    connections,  ///< The server has connections_max open connections.
    stopping,     ///< The server stops.
};
constexpr std::size_t refusals = 8;

constexpr const char* name_of(Refusal refusal) noexcept {
    switch (refusal) {
        case Refusal::overload: return "overload";
        case Refusal::startups: return "startups";
        case Refusal::source: return "source";
        case Refusal::rate: return "rate";
        case Refusal::banned: return "banned";
        case Refusal::denied: return "denied";
        case Refusal::connections: return "connections";
        case Refusal::stopping: return "stopping";
    }
    return "unknown";
}

}  // namespace bullpen
