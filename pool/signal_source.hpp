/// Readiness by signals (signal-driven I/O): the kernel queues a real-time signal for each change of a
/// descriptor, and nothing is asked about those that don't change.
#pragma once

#include <poll.h>
#include <signal.h>

#include <cstdint>
#include <vector>

#include <bullpen/unique_fd.hpp>
#include "pool/readiness_source.hpp"

namespace bullpen {

/// A signal is a hint: it tells of a change (it is edge-triggered), perhaps of a connection that has ended
/// since and whose number another has now. So poll(2) is asked about those with a hint, about those that were
/// reported last, which may be ready still, and about those that wait for room, of which not every socket
/// tells. When the queue is full (RLIMIT_SIGPENDING), the kernel sends a plain SIGIO, which doesn't say for
/// whom: then poll(2) is asked about all, once.
class SignalSource final : public ReadinessSource {
public:
    /// Blocks SIGIO and the real-time signal in the calling thread, the process's only one, while it lives:
    /// they are read from a signalfd. Throws std::system_error.
    SignalSource();
    ~SignalSource() override;

    [[nodiscard]] bool watch(int fd, Await what) noexcept override;

    /// By poll(2) in each wait: the owner of an open file, and whether it sends signals, are the same for all
    /// processes that have it.
    [[nodiscard]] bool watch_shared(int fd) noexcept override;

    void forget(int fd) noexcept override;
    [[nodiscard]] std::span<const int> wait(
        std::optional<std::chrono::nanoseconds> at_most) noexcept override;

    /// How often all were asked about, because the queue was full.
    [[nodiscard]] std::uint64_t sweeps() const noexcept { return sweeps_; }

private:
    struct Watched {
        short events = 0;         ///< 0: not watched.
        bool signals = false;     ///< The kernel sends signals for it,
        bool for_the_end = true;  ///< also when its client has ended.
        bool is_doubted = false;  ///< It is in `doubted_`.
    };

    [[nodiscard]] Watched& at(int fd) noexcept;
    void doubt(int fd) noexcept;
    [[nodiscard]] bool read_signals() noexcept;  ///< Whether there were any.
    void ask_about_doubted(std::optional<std::chrono::nanoseconds> at_most) noexcept;

    int number_;  ///< The real-time signal.
    sigset_t before_{};
    UniqueFd signals_;
    std::vector<int> shared_;
    std::vector<Watched> watched_;  ///< By descriptor.
    std::vector<int> doubted_;      ///< Each may be ready without a signal to come.
    std::vector<pollfd> polled_;
    std::vector<int> ready_;
    std::uint64_t sweeps_ = 0;
};

}  // namespace bullpen
