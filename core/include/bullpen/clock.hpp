/// The one clock for everything but log stamps: CLOCK_MONOTONIC, which no administrator can turn back.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>

namespace bullpen {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

/// Nanoseconds of CLOCK_MONOTONIC; the form in which a time crosses a channel or the scoreboard. All
/// processes of one machine read the same clock, and the vDSO answers without a system call.
inline std::uint64_t monotonic_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

/// As ppoll(2) takes it.
constexpr timespec to_timespec(std::chrono::nanoseconds span) noexcept {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(span);
    return {.tv_sec = seconds.count(), .tv_nsec = (span - seconds).count()};
}

}  // namespace bullpen
