/// Many networks, and whether an address is in one of them.
#pragma once

#include <vector>

#include <bullpen/network.hpp>

namespace bullpen {

/// Answers in a binary search, so that a list of thousands costs a client well below a microsecond.
class NetworkSet {
public:
    NetworkSet() = default;
    explicit NetworkSet(std::vector<Network> networks);

    [[nodiscard]] bool contains(const IpAddress& address) const noexcept;
    [[nodiscard]] bool empty() const noexcept { return networks_.empty(); }

private:
    std::vector<Network> networks_;  ///< Sorted, none in another.
};

}  // namespace bullpen
