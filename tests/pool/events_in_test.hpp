/// For tests: the master's wait within the test's own process, which is left as it was.
#pragma once

#include <signal.h>

#include <array>
#include <chrono>
#include <memory>

#include "pool/events.hpp"

namespace bullpen {

/// Events changes what signals do; afterwards they do again what they did before.
class EventsInTest {
public:
    EventsInTest() {
        for (std::size_t i = 0; i < signals.size(); ++i)
            ::sigaction(signals[i], nullptr, &before_[i]);
        ::sigprocmask(SIG_SETMASK, nullptr, &mask_);
        events_ = std::make_unique<Events>();
    }
    ~EventsInTest() {
        events_.reset();
        for (std::size_t i = 0; i < signals.size(); ++i)
            ::sigaction(signals[i], &before_[i], nullptr);
        ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
    }
    EventsInTest(const EventsInTest&) = delete;
    EventsInTest& operator=(const EventsInTest&) = delete;

    operator Events&() noexcept { return *events_; }

    /// Lets whatever is armed be seen, without waiting.
    void look() {
        for (int i = 0; i < 8; ++i)  // Each look reports one.
            events_->wait_until(TimePoint{});
    }

    /// Waits until something that is armed has happened: at most so long as no test should take.
    void wait() { events_->wait_until(Clock::now() + std::chrono::seconds{20}); }

private:
    static constexpr std::array<int, 6> signals{SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD, SIGPIPE};

    std::array<struct sigaction, signals.size()> before_{};
    sigset_t mask_{};
    std::unique_ptr<Events> events_;
};

}  // namespace bullpen
