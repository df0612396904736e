/// What is open when a master takes over from one that has died.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <bullpen/unique_fd.hpp>

namespace bullpen {

/// The descriptors that the dead master had opened. Each part of the new one claims those that its memory
/// names; nobody opens any before all have. A number in that memory that isn't open was closed at the moment
/// of the death.
class OpenDescriptors {
public:
    explicit OpenDescriptors(std::vector<int> open) : left_{std::move(open)} {
        std::sort(left_.begin(), left_.end());
        is_claimed_.resize(left_.size());
    }

    /// Returns whether it is open, and not claimed yet.
    [[nodiscard]] bool claim(int fd) noexcept {
        const auto found = std::lower_bound(left_.begin(), left_.end(), fd);
        if (found == left_.end() || *found != fd) return false;
        const auto index = static_cast<std::size_t>(found - left_.begin());
        if (is_claimed_[index]) return false;
        return is_claimed_[index] = true;
    }

    /// Those that nobody has claimed, to be owned.
    [[nodiscard]] std::vector<UniqueFd> strays() {
        std::vector<UniqueFd> strays;
        for (std::size_t i = 0; i < left_.size(); ++i)
            if (!is_claimed_[i]) strays.emplace_back(left_[i]);
        return strays;
    }

private:
    std::vector<int> left_;
    std::vector<bool> is_claimed_;
};

}  // namespace bullpen
