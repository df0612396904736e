#include "pool/acceptor.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <bullpen/clock.hpp>
#include "core/log.hpp"
#include "pool/scoreboard.hpp"

namespace bullpen {

namespace {

constexpr int slice_ms = 250;

}  // namespace

bool is_shortage(int accept_error) noexcept {
    return accept_error == EMFILE || accept_error == ENFILE || accept_error == ENOBUFS ||
           accept_error == ENOMEM;
}

IdleWait::IdleWait(std::span<const Listener> listeners)
    : listeners_{listeners}, epoll_{listeners.empty() ? -1 : ::epoll_create1(EPOLL_CLOEXEC)} {
    if (!epoll_ && !listeners.empty())
        throw std::system_error{errno, std::generic_category(), "cannot create an epoll"};
}

bool IdleWait::wait(const BlockedOrders& orders) {
    const bool watched = begin();
    epoll_event ready{};
    const int found = ::epoll_pwait(epoll_.get(), &ready, 1, watched ? -1 : slice_ms, &orders.before());
    end();
    return found > 0;
}

/// The first sleeper adds the listeners to the epoll. Returns false if the kernel has no memory for that.
bool IdleWait::begin() {
    const std::lock_guard guard{mutex_};
    if (sleepers_++ > 0) return watched_;
    epoll_event client{};
    client.events = EPOLLIN | EPOLLEXCLUSIVE;
    watched_ = true;
    for (const Listener& listener : listeners_)
        watched_ = ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener.fd(), &client) == 0 && watched_;
    return watched_;
}

/// The last sleeper takes the listeners out, so that clients don't wake this process while it is busy.
void IdleWait::end() {
    const std::lock_guard guard{mutex_};
    if (--sleepers_ > 0) return;
    for (const Listener& listener : listeners_)
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener.fd(), nullptr);
}

/// Returns no client after an interruption, or if another worker was faster.
Client Acceptor::try_accept() noexcept {
    nobody_came_ = false;
    // With one listener accept4 itself waits.
    const bool several = listeners_.size() > 1;
    if (several && !wait_for_client(slice_ms)) return {};
    const Listener& listener = listeners_[ready_];
    UniqueFd socket{::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (several) ready_ = (ready_ + 1) % listeners_.size();
    if (socket)
        return {.socket = std::move(socket),
                .since_ns = monotonic_ns(),
                .has_options = listener.address().family() != AF_UNIX};
    nobody_came_ = errno == EAGAIN || errno == EINVAL;  // See Listener::stop_new_clients().
    if (is_shortage(errno)) {
        constexpr useconds_t pause_us = 100'000;
        log(LogLevel::warning, "cannot accept: out of descriptors or memory; trying again");
        ::usleep(pause_us);
    }
    return {};
}

bool Acceptor::has_clients() const noexcept {
    return std::any_of(listeners_.begin(), listeners_.end(),
                       [](const Listener& listener) { return listener.has_clients(); });
}

/// Waits until a listener has a client and makes it the ready one. If several have clients, they take turns.
bool Acceptor::wait_for_client(int timeout_ms) noexcept {
    std::array<pollfd, listeners_max> polled{};
    for (std::size_t i = 0; i < listeners_.size(); ++i)
        polled[i] = {.fd = listeners_[i].fd(), .events = POLLIN, .revents = 0};
    const int found = ::poll(polled.data(), listeners_.size(), timeout_ms);
    nobody_came_ = found == 0;
    if (found <= 0) return false;
    while (polled[ready_].revents == 0)
        ready_ = (ready_ + 1) % listeners_.size();
    return true;
}

}  // namespace bullpen
