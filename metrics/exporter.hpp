/// The exporter: a process beside the master that answers Prometheus and health checks even when all pools
/// are saturated or crash.
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
    std::size_t connections_max = 64;  ///< For one more, the client that was silent longest is closed.
    std::chrono::seconds request_timeout{
        5};  ///< For a whole request: from its first byte; the first request, from the accept.
    std::chrono::seconds idle_timeout{60};        ///< Between two requests of one connection.
    std::chrono::seconds response_timeout{10};    ///< For the client to take a whole response.
    std::chrono::milliseconds accept_pause{100};  ///< After accept4 failed for lack of descriptors or memory.
    std::chrono::seconds heartbeat_age_max{10};   ///< A master silent for longer makes /healthz answer 503.
};

/// The exporter's whole life, in a process of its own with one thread. Answers /metrics, /healthz, /readyz
/// and /, as core/http/ judges every request, on `listeners` (borrowed, listening, TCP or UNIX; made
/// non-blocking). Returns 0 once `lifeline` (borrowed) reports end of file. Throws std::system_error if it
/// can't start: descriptors have run out, or a scoreboard can't be mapped.
int run_exporter(const std::vector<int>& listeners, int lifeline, const ExporterOptions& options);

}  // namespace bullpen
