/// The status: how a server and its pools are, as the master knows it without asking anybody.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pool/orders.hpp"
#include "pool/sizing.hpp"

namespace bullpen {

struct ListenerStatus {
    std::string address;
    std::uint32_t waiting = 0;  ///< Clients in the kernel's backlog, looked at once a second.
    std::uint32_t backlog = 0;  ///< As many as it has room for.
};

struct PoolStatus {
    std::string name;
    std::string_view model;
    bool leaving = false;  ///< It only finishes what has begun: a reload has removed it, or the server stops.
    std::vector<ListenerStatus> listeners{};
    PoolCounts workers{};
    int workers_max = 0;
    bool counts_connections = false;  ///< The master accepts; else the workers alone know their connections.
    std::uint64_t accepted = 0;
    std::uint64_t open = 0;    ///< Accepted and not ended:
    std::uint64_t parked = 0;  ///< of these, the connections that wait for their client without a worker,
    std::uint64_t queued = 0;  ///< and those that wait in the master for a worker.
    std::uint64_t lost = 0;
};

struct ServerStatus {
    std::string name;
    std::string version;
    pid_t pid = 0;  ///< The keeper's: the service's main pid.
    pid_t master_pid = 0;
    unsigned masters = 0;  ///< How many there have been.
    Phase phase = Phase::starting;
    std::chrono::seconds uptime{};
    std::vector<PoolStatus> pools{};
};

}  // namespace bullpen
