/// The exporter: a process beside the master that answers Prometheus and health checks, whatever the pools
/// do.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "metrics/pool_view.hpp"

namespace bullpen {

struct ExporterOptions {
    std::vector<ExportedPool> pools{};
    std::string version{};
    std::size_t connections_max = 64;     ///< One more, and the client that has been silent longest goes.
    std::size_t request_head_max = 8192;  ///< Bytes.
    std::chrono::seconds request_timeout{
        5};  ///< For a whole request, from its first byte or the connection on.
    std::chrono::seconds idle_timeout{60};        ///< Between two requests of one connection.
    std::chrono::seconds response_timeout{10};    ///< For the client to take a whole response.
    std::chrono::seconds linger_timeout{1};       ///< For the client to close after the last response.
    std::chrono::milliseconds accept_pause{100};  ///< After accept4 failed for want of descriptors or memory.
    std::chrono::seconds heartbeat_age_max{10};   ///< Of the master, for /healthz.
};

/// The exporter's whole life, in a process of its own with one thread. Answers GET and HEAD of /metrics,
/// /healthz, /readyz and / on `listener` (borrowed, listening, TCP or UNIX; made non-blocking). Returns 0
/// once `lifeline` (borrowed) reports end of file. Throws std::system_error when it can't begin: no
/// descriptors, no scoreboard.
int run_exporter(int listener, int lifeline, const ExporterOptions& options);

}  // namespace bullpen
