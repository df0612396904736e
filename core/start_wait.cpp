#include "core/start_wait.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <system_error>

#include <bullpen/unique_fd.hpp>

namespace bullpen {
namespace {

/// Those of the signals that stop a server that this thread blocks.
sigset_t held_signals() noexcept {
    sigset_t blocked;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    sigset_t held;
    ::sigemptyset(&held);
    for (const int signal : {SIGTERM, SIGINT, SIGQUIT})
        if (::sigismember(&blocked, signal) == 1) ::sigaddset(&held, signal);
    return held;
}

int milliseconds_until(TimePoint deadline) noexcept {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return static_cast<int>(std::clamp<decltype(left)>(left, 0, INT_MAX));
}

}  // namespace

bool await_input(int fd, TimePoint deadline) {
    const sigset_t held = held_signals();
    const UniqueFd orders{::signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK)};
    if (!orders) throw std::system_error{errno, std::generic_category(), "cannot watch for signals"};
    std::array<pollfd, 2> awaited{pollfd{.fd = fd, .events = POLLIN, .revents = 0},
                                  pollfd{.fd = orders.get(), .events = POLLIN, .revents = 0}};
    for (;;) {
        const int found = ::poll(awaited.data(), awaited.size(), milliseconds_until(deadline));
        if (found < 0 && errno == EINTR) continue;
        if (found > 0 && awaited[1].revents != 0) throw StoppedAtStart{};
        return found > 0;
    }
}

void pause_start(std::chrono::milliseconds time) {
    constexpr int nothing = -1;  // poll(2) passes over it.
    (void)await_input(nothing, Clock::now() + time);
}

}  // namespace bullpen
