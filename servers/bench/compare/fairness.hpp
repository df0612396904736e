/// How evenly work is shared.
#pragma once

#include <cstdint>
#include <vector>

namespace bullpen {

/// Jain's index: 1 if all have the same, 1/n if one of n has everything. 1 where there is nothing to share.
double jain_index(const std::vector<std::uint64_t>& shares) noexcept;

}  // namespace bullpen
