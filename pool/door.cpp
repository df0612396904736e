#include "pool/door.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
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
    listeners_.reserve(listeners_max);
}

// The reload.

/// The place of a closed listener is used again by one of its kind only: workers know by the place whether a
/// client's socket has inherited its options.
std::optional<std::vector<std::size_t>> Door::places_for(const std::vector<Listener>& added) const {
    std::vector<std::size_t> places;
    std::size_t next = listeners_.size();
    for (const Listener& one : added) {
        const auto is_fit = [&](std::size_t place) {
            return stages_[place] == closed &&
                   listeners_[place].address().family() == one.address().family() &&
                   std::find(places.begin(), places.end(), place) == places.end();
        };
        std::size_t place = 0;
        while (place < listeners_.size() && !is_fit(place))
            ++place;
        places.push_back(place < listeners_.size() ? place : next++);
    }
    if (next > listeners_max) return {};
    return places;
}

void Door::add(std::size_t place, Listener listener) noexcept {
    if (place == listeners_.size()) {
        listeners_.push_back(std::move(listener));
    } else {
        listeners_[place].forget();
        std::destroy_at(&listeners_[place]);
        std::construct_at(&listeners_[place], std::move(listener));
    }
    stages_[place] = serving;
    lacks_file_[place] = 0;
}

void Door::give_away(std::size_t listener) noexcept {
    listeners_[listener].leave_to_twin();
    stages_[listener] = closed;
}

void Door::change(const ListenOptions& options) noexcept {
    for (std::size_t i = 0; i < listeners_.size(); ++i)
        if (is_in_service(i)) listeners_[i].change(options);
}

void Door::own_files() noexcept {
    for (std::size_t i = 0; i < listeners_.size(); ++i)
        if (is_in_service(i) && lacks_file_[i] == 0) listeners_[i].own_file();
}

bool Door::has_closed(int fd) const noexcept {
    for (std::size_t i = 0; i < listeners_.size(); ++i)
        if (stages_[i] >= closing && listeners_[i].fd() == fd) return true;
    return false;
}

void Door::adopt(OpenDescriptors& open) noexcept {
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        if (lacks_file_[i] != 0) listeners_[i].disown_file();
        if (stages_[i] < closing) continue;
        if (stages_[i] == closed || !open.claim(listeners_[i].fd())) listeners_[i].forget();
        listeners_[i].close();
        stages_[i] = closed;
    }
}

std::vector<int> Door::forget_closed() {
    std::vector<int> numbers;
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        Listener& listener = listeners_[i];
        if (lacks_file_[i] != 0) listener.disown_file();
        if (stages_[i] < closing || listener.is_closed()) continue;
        numbers.push_back(listener.fd());
        const bool is_open = stages_[i] == closing && ::fcntl(listener.fd(), F_GETFD) >= 0;
        if (!is_open) listener.forget();
        listener.close();
        stages_[i] = closed;
    }
    return numbers;
}

// A master's turns.

void Door::watch_by(Events& events, TimePoint now) {
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        State& state = states_.emplace_back();
        if (listeners_[i].is_closed()) continue;
        listeners_[i].set_nonblocking(true);
        state.watch.emplace(events.watch(listeners_[i].fd()));
        if (stages_[i] != leaving) continue;
        stop_new_clients(i);
        state.calm_since = now;
        ++leaving_;
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
        const auto refusal = admission_.admit(entry.socket.get(), entry.peer, entry.listener, unserved, now);
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
        if (state.known_waiting == 0 && state.is_ready()) {
            state.watch->clear_ready();
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
            again_ = std::max(again_, rate_.note(now));
            return connections_.add(UniqueFd{fd}, Peer::of(address, size), static_cast<std::uint32_t>(index),
                                    now);
        }
        switch (errno) {
            case EINTR: continue;
            case EINVAL:  // It lets in nobody any more.
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
    for (State& state : states_)
        state.forget_clients();
    return false;
}

bool Door::watch() noexcept {
    bool none_known = true;
    for (State& state : states_) {
        if (state.known_waiting > 0)
            none_known = false;
        else
            state.arm();
    }
    return none_known;
}

void Door::watch_for_first() noexcept {
    if (is_known_to_wait()) return;
    for (State& state : states_)
        state.arm();
}

void Door::watch_again() {
    for (State& state : states_) {
        state.forget_clients();
        state.arm();
    }
}

bool Door::is_known_to_wait() const noexcept {
    return std::any_of(states_.begin(), states_.end(),
                       [](const State& state) { return state.known_waiting > 0 || state.is_ready(); });
}

bool Door::has_clients() const noexcept {
    return std::any_of(listeners_.begin(), listeners_.end(),
                       [](const Listener& listener) { return listener.has_clients(); });
}

int Door::length() const noexcept {
    unsigned length = 0;
    for (const Listener& listener : listeners_)
        length += listener.waiting();
    return static_cast<int>(length);
}

void Door::stop_new_clients() noexcept {
    if (rate_.is_limited()) {  // Those that wait are served, be they too many a minute.
        limit_rate(0);
        release();
    }
    for (std::size_t i = 0; i < listeners_.size(); ++i)
        stop_new_clients(i);
}

void Door::stop_new_clients(std::size_t listener) noexcept {
    listeners_[listener].stop_new_clients();
    lacks_file_[listener] = 1;
}

void Door::close_removed(std::chrono::milliseconds settle, TimePoint now) noexcept {
    for (std::size_t i = 0; i < states_.size() && leaving_ > 0; ++i) {
        State& state = states_[i];
        if (!state.calm_since) continue;
        if (listeners_[i].has_clients()) state.calm_since = now;
        if (now - *state.calm_since < settle) continue;
        state.forget_clients();
        state.watch.reset();
        state.calm_since.reset();
        close(i);
        --leaving_;
    }
}

void Door::close() noexcept {
    states_.clear();
    leaving_ = 0;
    for (std::size_t i = 0; i < listeners_.size(); ++i)
        if (!listeners_[i].is_closed()) close(i);
}

/// If the process dies in between, its successor looks whether the descriptor is open.
void Door::close(std::size_t listener) noexcept {
    stages_[listener] = closing;
    listeners_[listener].close();
    stages_[listener] = closed;
}

/// While the door is full it looks again after a while, because a client may have left unnoticed.
TimePoint Door::prepare_to_wait(TimePoint now) noexcept {
    TimePoint next = TimePoint::max();
    if (states_.size() > 1 && is_known_to_wait())
        for (State& state : states_)
            if (state.known_waiting == 0 && !state.is_ready()) state.arm();
    if (is_pausing(now)) next = again_;
    if (full_ || leaving_ > 0) next = std::min(next, now + pause_);
    return next;
}

}  // namespace bullpen
