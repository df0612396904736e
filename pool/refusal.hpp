/// Why a client is turned away before a worker has seen it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bullpen {

/// bullpen_connections_refused_total's label.
enum class Refusal : std::uint8_t {
    overload,     ///< The queue is full, or it waited there too long.
    startups,     ///< Early random drop: too many wait unserved.
    source,       ///< Too many connections at once from its source.
    rate,         ///< Too many new connections a second from its source.
    banned,       ///< Its source was refused too often.
    denied,       ///< By the lists of its listener.
    connections,  ///< The whole server has as many open connections as it may.
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
