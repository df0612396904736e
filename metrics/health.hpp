/// Health checks: whether the master lives (/healthz) and whether every pool can take clients (/readyz).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "metrics/pool_view.hpp"

namespace bullpen {

/// Returns one sentence if the last heartbeat of a pool's master is older than `heartbeat_age_max`, else
/// nothing.
std::optional<std::string> why_unhealthy(const std::vector<PoolView>& pools, std::uint64_t now_ns,
                                         std::chrono::seconds heartbeat_age_max);

/// Returns one sentence about the first pool that can't take clients because it is draining or has no ready
/// worker, or nothing if every pool can. A pool with spare_max 0 starts a worker for each client and needs
/// none beforehand.
std::optional<std::string> why_unready(const std::vector<PoolView>& pools);

}  // namespace bullpen
