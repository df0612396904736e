#include "pool/acceptor.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "core/clock.hpp"
#include "core/log.hpp"
#include "pool/scoreboard.hpp"

namespace bullpen {

/// Nothing at an interruption, or when another worker was faster.
Client Acceptor::try_accept() noexcept {
    // With one listener there is nothing to wait for here: accept does.
    const bool several = listeners_.size() > 1;
    constexpr int bounded_ms = 1000;
    if (several && !wait_for_client(bounded_ms)) return {};
    const Listener& listener = listeners_[ready_];
    UniqueFd socket{::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (several) ready_ = (ready_ + 1) % listeners_.size();
    if (socket)
        return {.socket = std::move(socket),
                .since_ns = monotonic_ns(),
                .has_options = listener.address().family() != AF_UNIX};
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        constexpr useconds_t pause_us = 100'000;
        log(LogLevel::warning, "cannot accept: out of descriptors or memory; trying again");
        ::usleep(pause_us);
    }
    return {};
}

/// Waits until a listener has a client, which is then the ready one; fairly among those that have.
bool Acceptor::wait_for_client(int timeout_ms) noexcept {
    std::array<pollfd, listeners_max> polled{};
    for (std::size_t i = 0; i < listeners_.size(); ++i)
        polled[i] = {.fd = listeners_[i].fd(), .events = POLLIN, .revents = 0};
    if (::poll(polled.data(), listeners_.size(), timeout_ms) <= 0) return false;
    while (polled[ready_].revents == 0)
        ready_ = (ready_ + 1) % listeners_.size();
    return true;
}

}  // namespace bullpen
