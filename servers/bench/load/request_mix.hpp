/// Which class of requests comes next, where there are several.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bullpen {

/// A cycle in which each class comes as often as its weight says, as evenly spread as can be: of 99 and 1 the
/// second is every hundredth. The same for every run.
class RequestMix {
public:
    /// The sum of the weights is the cycle's length; four bytes each.
    explicit RequestMix(const std::vector<unsigned>& weights);

    /// A class's number, 0 to weights.size() - 1.
    std::size_t next() noexcept {
        const std::size_t chosen = cycle_[at_];
        if (++at_ == cycle_.size()) at_ = 0;
        return chosen;
    }

private:
    std::vector<std::uint32_t> cycle_;
    std::size_t at_ = 0;
};

}  // namespace bullpen
