/// How far a transfer (body, write) has come, and by when it must have come further: see TimeLimits.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include <bullpen/clock.hpp>

namespace bullpen {

/// The deadline of a transfer after `bytes` more have passed. Rate 0: any progress starts it anew.
constexpr TimePoint extended(TimePoint deadline, TimePoint now, std::chrono::milliseconds base, int rate,
                             std::uint64_t bytes) noexcept {
    if (bytes == 0) return deadline;
    const TimePoint latest = now + base;
    const auto enough = static_cast<std::uint64_t>(base.count()) * static_cast<std::uint64_t>(rate) / 1000;
    if (bytes >= enough) return latest;
    const auto earned_ms = static_cast<std::int64_t>(bytes * 1000 / static_cast<std::uint64_t>(rate));
    return std::min(deadline + std::chrono::milliseconds{earned_ms}, latest);
}

/// A transfer's deadline, which begins once the client is waited for: the clock isn't asked before.
class TransferProgress {
public:
    TransferProgress(std::chrono::milliseconds base, int rate) noexcept : base_{base}, rate_{rate} {}

    /// Asked whenever the client keeps us waiting, with the bytes that have passed since it was last asked.
    [[nodiscard]] TimePoint deadline_after(std::uint64_t bytes) noexcept {
        const TimePoint now = Clock::now();
        const bool first = deadline_ == TimePoint{};
        deadline_ = first ? now + base_ : extended(deadline_, now, base_, rate_, bytes);
        return deadline_;
    }

    /// What was waited for is there. If the deadline has passed nevertheless, the server was late and not the
    /// client: the transfer begins anew.
    void go_on() noexcept {
        if (Clock::now() >= deadline_) deadline_ = {};
    }

private:
    std::chrono::milliseconds base_;
    int rate_;
    TimePoint deadline_{};
};

}  // namespace bullpen
