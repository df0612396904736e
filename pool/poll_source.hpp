/// Readiness by poll(2): an array of descriptors goes to the kernel with each call.
#pragma once

#include <poll.h>

#include <vector>

#include "pool/readiness_source.hpp"

namespace bullpen {

class PollSource final : public ReadinessSource {
public:
    [[nodiscard]] bool watch(int fd, Await what) noexcept override;
    void forget(int fd) noexcept override;
    [[nodiscard]] std::span<const int> wait(
        std::optional<std::chrono::nanoseconds> at_most) noexcept override;

private:
    static constexpr std::size_t nowhere = SIZE_MAX;

    std::vector<pollfd> watched_;
    std::vector<std::size_t> place_;  ///< Of each descriptor in `watched_`.
    std::vector<int> ready_;
};

}  // namespace bullpen
