/// Readiness by epoll(7), level-triggered: the kernel keeps the list of descriptors, and a call costs what is
/// ready and not what is watched.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <vector>

#include <bullpen/unique_fd.hpp>
#include "pool/readiness_source.hpp"

namespace bullpen {

class EpollSource final : public ReadinessSource {
public:
    /// Throws std::system_error.
    EpollSource();

    [[nodiscard]] bool watch(int fd, Await what) noexcept override;
    void forget(int fd) noexcept override;
    [[nodiscard]] std::span<const int> wait(
        std::optional<std::chrono::nanoseconds> at_most) noexcept override;

    /// The epoll descriptor, borrowed.
    [[nodiscard]] int fd() const noexcept { return epoll_.get(); }

private:
    UniqueFd epoll_;
    std::vector<std::uint32_t> events_;  ///< What each descriptor is watched for; 0: it isn't.
    std::array<epoll_event, 128> found_{};
    std::vector<int> ready_;
};

}  // namespace bullpen
