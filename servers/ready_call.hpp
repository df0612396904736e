/// The call of Options::on_ready.
#pragma once

#include <functional>
#include <vector>

#include <bullpen/bound_addresses.hpp>

namespace bullpen {

/// Runs `on_ready` in a process of its own, which keeps the descriptors in `kept` and ends with the server.
/// To be called in the master, whose parent becomes that process's parent. If it can't be started, or throws,
/// that is logged.
void call_on_ready(const std::function<void(const BoundAddresses&)>& on_ready,
                   const BoundAddresses& addresses, const std::vector<int>& kept) noexcept;

}  // namespace bullpen
