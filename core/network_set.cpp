#include "core/network_set.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace bullpen {
namespace {

/// IPv6 before IPv4: the mapped addresses lie amid those of IPv6, whose networks don't contain them.
bool comes_before(const IpAddress& a, const IpAddress& b) noexcept {
    return a.is_v4() != b.is_v4() ? b.is_v4() : a < b;
}

}  // namespace

NetworkSet::NetworkSet(std::vector<Network> networks) {
    std::sort(networks.begin(), networks.end(), [](const Network& a, const Network& b) {
        return a.address() == b.address() ? a.prefix() < b.prefix() : comes_before(a.address(), b.address());
    });
    for (const Network& network : networks)  // Of two that overlap one is in the other, and comes after it.
        if (networks_.empty() || !networks_.back().contains(network.address())) networks_.push_back(network);
}

bool NetworkSet::contains(const IpAddress& address) const noexcept {
    const auto after = std::upper_bound(networks_.begin(), networks_.end(), address,
                                        [](const IpAddress& wanted, const Network& network) {
                                            return comes_before(wanted, network.address());
                                        });
    return after != networks_.begin() && std::prev(after)->contains(address);
}

}  // namespace bullpen
