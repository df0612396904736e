#include "pool/poll_source.hpp"

#include <time.h>

#include <bullpen/clock.hpp>

namespace bullpen {

bool PollSource::watch(int fd, Await what) noexcept {
    const auto index = static_cast<std::size_t>(fd);
    if (index >= place_.size()) place_.resize(index + 1, nowhere);
    if (place_[index] == nowhere) {
        place_[index] = watched_.size();
        watched_.push_back({.fd = fd, .events = 0, .revents = 0});
    }
    watched_[place_[index]].events = what == Await::input ? POLLIN : POLLOUT;
    return true;
}

/// The last one takes its place.
void PollSource::forget(int fd) noexcept {
    const auto index = static_cast<std::size_t>(fd);
    if (index >= place_.size() || place_[index] == nowhere) return;
    watched_[place_[index]] = watched_.back();
    place_[static_cast<std::size_t>(watched_.back().fd)] = place_[index];
    watched_.pop_back();
    place_[index] = nowhere;
}

std::span<const int> PollSource::wait(std::optional<std::chrono::nanoseconds> at_most) noexcept {
    const timespec span = to_timespec(at_most.value_or(std::chrono::nanoseconds{0}));
    ready_.clear();
    int left = ::ppoll(watched_.data(), watched_.size(), at_most ? &span : nullptr, nullptr);
    for (std::size_t i = 0; left > 0; ++i) {
        if (watched_[i].revents == 0) continue;
        ready_.push_back(watched_[i].fd);
        --left;
    }
    return ready_;
}

}  // namespace bullpen
