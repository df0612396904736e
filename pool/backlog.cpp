#include "pool/backlog.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "core/log.hpp"
#include "pool/scoreboard.hpp"

namespace bullpen {

Backlog::Backlog(std::string pool, std::vector<Listener> listeners, std::chrono::milliseconds pause)
    : pool_{std::move(pool)}, pause_{pause}, listeners_{std::move(listeners)} {
    if (listeners_.empty() || listeners_.size() > listeners_max)
        throw std::runtime_error{"pool '" + pool_ + "' has " + std::to_string(listeners_.size()) +
                                 " listeners; 1 to " + std::to_string(listeners_max) + " are possible"};
}

void Backlog::accept_in_master(Events& events) {
    for (Listener& listener : listeners_) {
        listener.set_nonblocking(true);
        states_.push_back({events.watch(listener.fd())});
    }
}

void Backlog::accept_in_workers(bool event_driven) noexcept {
    for (Listener& listener : listeners_)
        listener.set_nonblocking(event_driven || listeners_.size() > 1);
}

bool Backlog::watch() noexcept {
    bool none_known = true;
    for (State& state : states_) {
        if (state.known_waiting > 0)
            none_known = false;
        else
            state.watch.arm();
    }
    return none_known;
}

void Backlog::watch_for_first() noexcept {
    if (is_known_to_wait()) return;
    for (State& state : states_)
        state.watch.arm();
}

bool Backlog::is_known_to_wait() const noexcept {
    return std::any_of(states_.begin(), states_.end(),
                       [](const State& state) { return state.known_waiting > 0 || state.watch.ready(); });
}

std::optional<HeldClient> Backlog::accept() noexcept {
    for (std::size_t i = 0; i < states_.size(); ++i) {
        State& state = states_[i];
        if (state.known_waiting == 0 && state.watch.ready()) {
            state.watch.clear_ready();
            state.known_waiting = 1;
            if (state.crowded || ++state.calm_turns >= state.ask_after) look_at_queue(i);
        }
        if (state.known_waiting == 0) continue;
        if (std::optional<HeldClient> client = accept_from(i)) return client;
    }
    return {};
}

/// To learn how many clients wait costs a system call, which pays when they are several: then the wait and
/// its re-arming are shared among them. Whether it has become so is tried now and then, ever more seldom.
void Backlog::look_at_queue(std::size_t index) noexcept {
    constexpr unsigned often = 16;
    constexpr unsigned seldom = 1024;
    State& state = states_[index];
    const std::optional<ListenQueue> queue = listeners_[index].queue();
    if (queue) state.known_waiting = std::max(1U, queue->length);
    state.crowded = state.known_waiting > 1;
    state.calm_turns = 0;
    state.ask_after = state.crowded ? often : std::min(state.ask_after * 2, seldom);
}

std::optional<HeldClient> Backlog::accept_from(std::size_t index) noexcept {
    State& state = states_[index];
    for (;;) {
        sockaddr_storage peer;
        socklen_t size = sizeof peer;
        auto* const address = reinterpret_cast<sockaddr*>(&peer);
        const int fd = ::accept4(listeners_[index].fd(), address, &size, SOCK_CLOEXEC);
        if (fd >= 0) {
            --state.known_waiting;
            HeldClient client;
            client.envelope.descriptors[0] = UniqueFd{fd};
            client.envelope.message.since_ns = monotonic_ns();
            client.envelope.message.listener = static_cast<std::uint32_t>(index);
            client.account = {.peer = Peer::of(address, size), .listener = static_cast<std::uint32_t>(index)};
            return client;
        }
        switch (errno) {
            case EINTR: continue;
            case EAGAIN: state.known_waiting = 0; return {};
            case ECONNABORTED:  // A client that left the backlog, and its kin, see accept(2).
            case ECONNRESET:
            case EPROTO:
            case ETIMEDOUT:
            case ENETDOWN:
            case ENETUNREACH:
            case EHOSTDOWN:
            case EHOSTUNREACH:
                if (--state.known_waiting == 0) return {};
                continue;
            default: pause(errno); return {};
        }
    }
}

/// Out of descriptors or memory, or forbidden: only time can mend that, and trying on would only burn CPU.
void Backlog::pause(int error) noexcept {
    const TimePoint now = Clock::now();
    again_ = now + pause_;
    constexpr std::chrono::seconds between_warnings{1};
    if (now - warned_ < between_warnings) return;
    warned_ = now;
    log(LogLevel::warning, "pool " + pool_ + ": cannot accept: " + std::strerror(error));
}

bool Backlog::has_clients() const noexcept {
    return std::any_of(listeners_.begin(), listeners_.end(),
                       [](const Listener& listener) { return listener.has_clients(); });
}

int Backlog::length() const noexcept {
    unsigned length = 0;
    for (const Listener& listener : listeners_) {
        const std::optional<ListenQueue> queue = listener.queue();
        length += queue ? queue->length : listener.has_clients() ? 1U : 0U;
    }
    return static_cast<int>(length);
}

void Backlog::stop_new_clients() noexcept {
    for (Listener& listener : listeners_)
        listener.stop_new_clients();
}

void Backlog::close() noexcept {
    states_.clear();
    listeners_.clear();
}

}  // namespace bullpen
