/// Whether the server lives, and whether it can take clients: what /healthz and /readyz answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "metrics/pool_view.hpp"

namespace bullpen {

/// One sentence if the master has shown no sign of life for longer than `heartbeat_age_max`; nothing if all
/// is well.
std::optional<std::string> why_unhealthy(const std::vector<PoolView>& pools, std::uint64_t now_ns,
                                         std::chrono::seconds heartbeat_age_max);

/// One sentence on the first pool that can't take clients: it is draining, or none of its workers is ready. A
/// pool that keeps no workers (spare_max is 0: it starts one for each client) needs none. Nothing if all
/// pools can.
std::optional<std::string> why_unready(const std::vector<PoolView>& pools);

}  // namespace bullpen
