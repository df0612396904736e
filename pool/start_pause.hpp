/// The start pause: how long no process is started after a start has failed.
#pragma once

#include <algorithm>
#include <chrono>

#include <bullpen/clock.hpp>

namespace bullpen {

/// 0 after no failure, then 100 ms, doubled for each failure in a row, up to `longest`.
constexpr std::chrono::milliseconds start_pause(int failures_in_a_row,
                                                std::chrono::milliseconds longest) noexcept {
    constexpr std::chrono::milliseconds first{100};
    if (failures_in_a_row <= 0) return {};
    return std::min(longest, first * (1 << std::min(failures_in_a_row - 1, 20)));
}

/// A start has failed if no process could be made, or if the process died before it was of any use. Reads no
/// clock.
class StartPause {
public:
    /// The longest pause while no other process of the pool works, for example because fork fails: the cause
    /// may end at any time, so that a start is tried every second. While others work it grows to `longest`.
    static constexpr std::chrono::milliseconds longest_outage{1'000};
    static constexpr std::chrono::milliseconds longest{60'000};

    /// Processes that were started together die together: they count as one failure.
    void note_failure(TimePoint now, bool others_work) noexcept {
        if (!is_over(now, others_work)) return;
        if (now - failed_ > 2 * longest) failures_ = 0;  // The last failure is too long ago for a row.
        ++failures_;
        failed_ = now;
    }
    void note_success() noexcept { failures_ = 0; }

    [[nodiscard]] TimePoint end(bool others_work) const noexcept {
        return failed_ + start_pause(failures_, others_work ? longest : longest_outage);
    }
    [[nodiscard]] bool is_over(TimePoint now, bool others_work) const noexcept {
        return failures_ == 0 || now >= end(others_work);
    }

private:
    int failures_ = 0;  ///< In a row.
    TimePoint failed_{};
};

}  // namespace bullpen
