/// A readiness source: which of a worker's descriptors have something to do. It is what the models select,
/// poll, epoll and signal differ in.
#pragma once

#include <chrono>
#include <optional>
#include <span>

#include <bullpen/detail/parking.hpp>

namespace bullpen {

/// Used by one thread. All descriptors are borrowed; each is forgotten before it is closed.
class ReadinessSource {
public:
    ReadinessSource() = default;
    virtual ~ReadinessSource() = default;
    ReadinessSource(const ReadinessSource&) = delete;
    ReadinessSource& operator=(const ReadinessSource&) = delete;

    /// From here on wait() reports `fd` once it is ready for this, or broken; it did so for something else,
    /// or has just been reported. Returns false, with the reason in errno, if the kernel can't watch it.
    [[nodiscard]] virtual bool watch(int fd, Await what) noexcept = 0;

    /// The same of input of a descriptor whose open file other processes have, too: a listener.
    [[nodiscard]] virtual bool watch_shared(int fd) noexcept { return watch(fd, Await::input); }

    /// wait() doesn't report it any more. It needn't have been watched.
    virtual void forget(int fd) noexcept = 0;

    /// Waits until descriptors are ready, a signal comes or the time is over (nothing: without end), and
    /// returns those that are ready, each once, until the next call. Of more than it can report at once each
    /// has its turn. One that was reported is reported again if it is ready after another watch(); it may be
    /// reported without that.
    [[nodiscard]] virtual std::span<const int> wait(
        std::optional<std::chrono::nanoseconds> at_most) noexcept = 0;
};

}  // namespace bullpen
