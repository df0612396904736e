#include "pool/door.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "core/log.hpp"
#include "pool/scoreboard.hpp"

namespace bullpen {

Door::Door(std::string pool, std::vector<Listener> listeners, std::chrono::milliseconds pause,
           Connections& connections, Admission& admission)
    : pool_{std::move(pool)},
      pause_{pause},
      connections_{connections},
      admission_{admission},
      listeners_{std::move(listeners)} {
    if (listeners_.empty() || listeners_.size() > listeners_max)
        throw std::runtime_error{"pool '" + pool_ + "' has " + std::to_string(listeners_.size()) +
                                 " listeners; 1 to " + std::to_string(listeners_max) + " are possible"};
}

void Door::accept_in_master(Events& events) {
    for (Listener& listener : listeners_) {
        listener.set_nonblocking(true);
        states_.push_back({events.watch(listener.fd())});
    }
}

void Door::accept_in_workers(bool event_driven) noexcept {
    for (Listener& listener : listeners_)
        listener.set_nonblocking(event_driven || listeners_.size() > 1);
}

bool Door::has_accepted(int socket) const noexcept {
    return std::any_of(listeners_.begin(), listeners_.end(),
                       [socket](const Listener& listener) { return listener.has_accepted(socket); });
}

std::optional<Place> Door::take_in(UniqueFd& socket, TimePoint now) noexcept {
    const auto of_it = [&](const Listener& listener) { return listener.has_accepted(socket.get()); };
    const auto found = std::find_if(listeners_.begin(), listeners_.end(), of_it);
    if (found == listeners_.end()) return {};
    sockaddr_storage peer;
    socklen_t size = sizeof peer;
    auto* const address = reinterpret_cast<sockaddr*>(&peer);
    if (::getpeername(socket.get(), address, &size) != 0) return {};
    return connections_.add(std::move(socket), Peer::of(address, size),
                            static_cast<std::uint32_t>(found - listeners_.begin()), now);
}

std::optional<Place> Door::let_in(TimePoint now) noexcept {
    while (connections_.has_room()) {
        const int unserved = connections_.unserved();
        const std::optional<Place> client = accept(now);
        if (!client || !admission_.enabled()) return client;
        ConnectionEntry& entry = connections_.at(*client);
        const auto refusal = admission_.admit(entry.peer, entry.listener, unserved, now);
        if (!refusal) return client;
        entry.admitted = false;
        connections_.end(*client, Ending::refused(*refusal));
    }
    return {};
}

/// Accepts from the listeners in turn, so that many clients at one don't keep those at the others waiting.
std::optional<Place> Door::accept(TimePoint now) noexcept {
    for (std::size_t tried = 0; tried < states_.size() && !is_pausing(now); ++tried) {
        const std::size_t index = next_;
        next_ = (next_ + 1) % states_.size();
        State& state = states_[index];
        if (state.known_waiting == 0 && state.watch.ready()) {
            state.watch.clear_ready();
            state.known_waiting = 1;
            if (state.crowded || ++state.calm_turns >= state.ask_after) look_at_queue(index);
        }
        if (state.known_waiting == 0) continue;
        if (const std::optional<Place> client = accept_from(index, now)) return client;
    }
    return {};
}

/// Asks the kernel how many clients wait. The call pays if there are several, because they then share one
/// wait and one re-arming. At a calm listener it is tried after ask_after turns, which doubles while it finds
/// no crowd.
void Door::look_at_queue(std::size_t index) noexcept {
    constexpr unsigned often = 16;
    constexpr unsigned seldom = 1024;
    State& state = states_[index];
    const std::optional<ListenQueue> queue = listeners_[index].queue();
    if (queue) state.known_waiting = std::max(1U, queue->length);
    state.crowded = state.known_waiting > 1;
    state.calm_turns = 0;
    state.ask_after = state.crowded ? often : std::min(state.ask_after * 2, seldom);
}

std::optional<Place> Door::accept_from(std::size_t index, TimePoint now) noexcept {
    State& state = states_[index];
    while (state.known_waiting > 0) {
        sockaddr_storage peer;
        socklen_t size = sizeof peer;
        auto* const address = reinterpret_cast<sockaddr*>(&peer);
        const int fd = ::accept4(listeners_[index].fd(), address, &size, SOCK_CLOEXEC);
        if (fd >= 0) {
            --state.known_waiting;
            failures_ = 0;
            return connections_.add(UniqueFd{fd}, Peer::of(address, size), static_cast<std::uint32_t>(index),
                                    now);
        }
        switch (errno) {
            case EINTR: continue;
            case EAGAIN: state.known_waiting = 0; break;
            case EMFILE:  // It lasts until something is closed; retrying at once would only use CPU.
            case ENFILE:
            case ENOBUFS:
            case ENOMEM: return pause(errno, now);
            default:  // The failure concerns one client (accept(2)): try the next one, up to a limit.
                constexpr int most_in_a_row = 64;
                --state.known_waiting;
                if (++failures_ % most_in_a_row == 0) return pause(errno, now);
        }
    }
    return {};
}

std::nullopt_t Door::pause(int error, TimePoint now) noexcept {
    again_ = now + pause_;
    constexpr std::chrono::seconds between_warnings{1};
    if (now - warned_ >= between_warnings) {
        warned_ = now;
        log(LogLevel::warning, "pool " + pool_ + ": cannot accept: " + std::strerror(error));
    }
    return std::nullopt;
}

/// A client that was known to wait may have left: then no client is known to wait any more.
bool Door::still_has_clients() noexcept {
    if (has_clients()) return true;
    for (State& state : states_) {
        state.known_waiting = 0;
        state.watch.clear_ready();
    }
    return false;
}

bool Door::watch() noexcept {
    bool none_known = true;
    for (State& state : states_) {
        if (state.known_waiting > 0)
            none_known = false;
        else
            state.watch.arm();
    }
    return none_known;
}

void Door::watch_for_first() noexcept {
    if (is_known_to_wait()) return;
    for (State& state : states_)
        state.watch.arm();
}

bool Door::is_known_to_wait() const noexcept {
    return std::any_of(states_.begin(), states_.end(),
                       [](const State& state) { return state.known_waiting > 0 || state.watch.ready(); });
}

bool Door::has_clients() const noexcept {
    return std::any_of(listeners_.begin(), listeners_.end(),
                       [](const Listener& listener) { return listener.has_clients(); });
}

int Door::length() const noexcept {
    unsigned length = 0;
    for (const Listener& listener : listeners_) {
        const std::optional<ListenQueue> queue = listener.queue();
        length += queue ? queue->length : listener.has_clients() ? 1U : 0U;
    }
    return static_cast<int>(length);
}

void Door::stop_new_clients() noexcept {
    for (Listener& listener : listeners_)
        listener.stop_new_clients();
}

void Door::close() noexcept {
    states_.clear();
    listeners_.clear();
}

void Door::forget() noexcept {
    for (Listener& listener : listeners_) {
        int listens = 0;  // Its number may be another's by now.
        socklen_t size = sizeof listens;
        const bool is_there =
            ::getsockopt(listener.fd(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
        if (!is_there) listener.forget();
    }
    close();
}

/// While the door is full it looks again after a while, because a client may have left unnoticed.
TimePoint Door::prepare_to_wait(TimePoint now) noexcept {
    TimePoint next = TimePoint::max();
    if (states_.size() > 1 && is_known_to_wait())
        for (State& state : states_)
            if (state.known_waiting == 0 && !state.watch.ready()) state.watch.arm();
    if (is_pausing(now)) next = again_;
    if (full_) next = std::min(next, now + pause_);
    return next;
}

}  // namespace bullpen
