/// Readiness by select(2): sets of bits, one for each number that a descriptor can have, go to the kernel
/// with each call.
#pragma once

#include <sys/select.h>

#include <vector>

#include "pool/readiness_source.hpp"

namespace bullpen {

/// An fd_set has no bit for descriptors from FD_SETSIZE (1,024) on: watch() refuses them with EMFILE.
class SelectSource final : public ReadinessSource {
public:
    /// Connections of a process that leave numbers for the descriptors of another kind that it has.
    static constexpr int connections_most = FD_SETSIZE - 24;

    /// Lowers the process's limit of open descriptors (RLIMIT_NOFILE) to FD_SETSIZE, so that the kernel gives
    /// out no number that can't be watched: clients that are too many wait in the backlog.
    SelectSource() noexcept;

    [[nodiscard]] bool watch(int fd, Await what) noexcept override;
    void forget(int fd) noexcept override;
    [[nodiscard]] std::span<const int> wait(
        std::optional<std::chrono::nanoseconds> at_most) noexcept override;

private:
    fd_set inputs_{};
    fd_set outputs_{};
    int end_ = 0;  ///< No descriptor from here on is watched.
    std::vector<int> ready_;
};

}  // namespace bullpen
