/// bullpen_tcp_sockets: how many sockets of the pools' TCP listeners are in each state.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "metrics/pool_view.hpp"

namespace bullpen {

/// The family, with a sample for each pool that has a TCP listener and each state. The kernel counts them as
/// for ss(8): a millisecond for some thousand sockets of the whole network namespace. Nothing if it won't say
/// (a sandbox without netlink).
std::vector<prometheus::MetricFamily> tcp_sockets(const std::vector<PoolView>& pools);

}  // namespace bullpen
