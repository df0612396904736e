/// How long a client of an unreliable service waits for an answer before it asks again (UNP 22.5, RFC 6298).
#pragma once

#include <chrono>
#include <cstdint>

namespace bullpen {

/// An estimate of the round trip and its variation, from the times that answers took (Jacobson). A value: no
/// clock in it.
class RoundTripTime {
public:
    using Duration = std::chrono::nanoseconds;

    struct Limits {
        Duration first{std::chrono::milliseconds{1'000}};  ///< The time-out before the first answer.
        Duration least{std::chrono::milliseconds{10}};
        Duration most{std::chrono::milliseconds{60'000}};
    };

    RoundTripTime() noexcept = default;
    explicit RoundTripTime(const Limits& limits) noexcept : limits_{limits} {}

    /// An answer has come so long after the request that it answers was sent: the very one of several
    /// transmissions, as its time stamp says, so that Karn's ambiguity doesn't arise.
    void measured(Duration round_trip) noexcept;

    /// How long to wait for an answer to the attempt-th transmission (0 is the first): twice as long after
    /// each, within the limits.
    [[nodiscard]] Duration timeout(int attempt) const noexcept;

    /// Smoothed; 0 before the first answer.
    [[nodiscard]] Duration smoothed() const noexcept { return smoothed_; }
    [[nodiscard]] Duration variation() const noexcept { return variation_; }

private:
    Limits limits_;
    Duration smoothed_{0};
    Duration variation_{0};
    bool known_ = false;
};

}  // namespace bullpen
