/// The shutdown: which phase the orderly stop is in.
#pragma once

#include <algorithm>
#include <chrono>

#include <bullpen/clock.hpp>

namespace bullpen {

/// serving → emptying (no new client gets in; those in the backlog are served) → retiring (the listeners are
/// closed; connections that have begun are finished) → over, at the deadline or when no connection is left.
/// It reads no clock.
class Shutdown {
public:
    explicit Shutdown(std::chrono::milliseconds settle) : settle_{settle} {}

    [[nodiscard]] bool is_serving() const noexcept { return phase_ == Phase::serving; }
    [[nodiscard]] bool is_emptying() const noexcept { return phase_ == Phase::emptying; }
    [[nodiscard]] bool is_retiring() const noexcept { return phase_ == Phase::retiring; }
    [[nodiscard]] bool is_over(TimePoint now) const noexcept { return is_retiring() && now >= deadline_; }
    [[nodiscard]] TimePoint deadline() const noexcept { return deadline_; }

    /// Begins the stop. Returns false if it had begun already; then only an earlier deadline is noted.
    bool begin(TimePoint now, TimePoint deadline) noexcept {
        if (!is_serving()) {
            deadline_ = std::min(deadline_, deadline);
            return false;
        }
        phase_ = Phase::emptying;
        deadline_ = deadline;
        empty_since_ = now;
        return true;
    }

    /// While emptying: notes whether clients wait. Returns true, and is retiring from then on, if none has
    /// waited for `settle` (so that the handshakes begun before are completed), or at the deadline.
    bool note_waiting(bool anybody_waits, TimePoint now) noexcept {
        if (anybody_waits) empty_since_ = now;
        if (now - empty_since_ < settle_ && now < deadline_) return false;
        phase_ = Phase::retiring;
        return true;
    }

private:
    enum class Phase { serving, emptying, retiring };
    std::chrono::milliseconds settle_;
    Phase phase_ = Phase::serving;
    TimePoint deadline_{};
    TimePoint empty_since_{};
};

}  // namespace bullpen
