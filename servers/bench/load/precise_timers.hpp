/// Timers that wake up when they are told to, while an object of this class lives.
#pragma once

#include <sys/prctl.h>

#include <algorithm>

namespace bullpen {

/// Of the calling thread. Else they are up to 50 µs late (PR_SET_TIMERSLACK in prctl(2)).
class PreciseTimers {
public:
    PreciseTimers() noexcept : slack_ns_{std::max(::prctl(PR_GET_TIMERSLACK), 0)} {
        ::prctl(PR_SET_TIMERSLACK, 1UL);
    }
    ~PreciseTimers() { ::prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(slack_ns_)); }
    PreciseTimers(const PreciseTimers&) = delete;
    PreciseTimers& operator=(const PreciseTimers&) = delete;

private:
    int slack_ns_;  ///< 0: the default.
};

}  // namespace bullpen
