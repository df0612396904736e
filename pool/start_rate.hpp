/// The start rate: how many clients a minute a pool takes.
#pragma once

#include <algorithm>
#include <chrono>

#include <bullpen/clock.hpp>

namespace bullpen {

/// So many a minute, all of which may come at once (a virtual scheduling algorithm, ITU-T I.371). Reads no
/// clock.
class StartRate {
public:
    /// 0: any number.
    explicit StartRate(int a_minute = 0) noexcept
        : interval_{a_minute > 0 ? minute / a_minute : std::chrono::nanoseconds{0}} {}

    [[nodiscard]] bool is_limited() const noexcept { return interval_.count() > 0; }

    /// Notes one that begins now and returns when the next may; then it must not be before that.
    TimePoint note(TimePoint now) noexcept {
        if (!is_limited()) return {};
        paid_until_ = std::max(paid_until_, now) + interval_;
        return paid_until_ - (minute - interval_);
    }

private:
    static constexpr std::chrono::nanoseconds minute = std::chrono::minutes{1};
    std::chrono::nanoseconds interval_;
    TimePoint paid_until_{};
};

}  // namespace bullpen
