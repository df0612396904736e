#include "pool/parking_lot.hpp"

#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <system_error>

#include "core/write_progress.hpp"

namespace bullpen {

ParkingLot::ParkingLot() : epoll_{::epoll_create1(EPOLL_CLOEXEC)} {
    if (!epoll_) throw std::system_error{errno, std::generic_category(), "cannot create an epoll"};
}

bool ParkingLot::park(HeldClient& client, TimePoint deadline) noexcept {
    std::uint32_t number = none;
    try {
        number = vacant_place();
    } catch (const std::bad_alloc&) {
        return false;
    }
    const bool input = client.parking().what == Await::input;
    epoll_event watched{.events = input ? EPOLLIN | EPOLLRDHUP : EPOLLOUT, .data = {.u32 = number}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, client.socket(), &watched) != 0) return false;
    if (!input) client.unsent = unsent_bytes(client.socket());
    Place& place = places_[number];
    vacant_ = place.after;
    place.taken = true;
    place.client = std::move(client);
    place.deadline = deadline;
    ++size_;
    if (!place.client.account.served) ++unserved_;
    if (place.client.envelope.descriptors[1]) ++files_;
    if (place.client.is_idle()) link(number);
    return true;
}

std::vector<ParkingLot::Leaving>& ParkingLot::leave(TimePoint now) noexcept {
    leaving_.clear();
    std::array<epoll_event, 128> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), 0);
    for (int i = 0; i < count; ++i) {
        const std::uint32_t number = events[static_cast<std::size_t>(i)].data.u32;
        const Place& place = places_[number];
        const Why reason = place.deadline <= now
                               ? Why::expired
                               : why(place.client, events[static_cast<std::size_t>(i)].events);
        leaving_.push_back({take(number), reason, place.deadline});
    }
    return leaving_;
}

std::vector<ParkingLot::Leaving>& ParkingLot::expire(TimePoint now) noexcept {
    leaving_.clear();
    for (std::uint32_t number = 0; number < places_.size(); ++number)
        if (places_[number].taken && places_[number].deadline <= now)
            leaving_.push_back({take(number), Why::expired, places_[number].deadline});
    return leaving_;
}

std::optional<HeldClient> ParkingLot::evict_idle() noexcept {
    if (oldest_ == none) return {};
    return take(oldest_);
}

void ParkingLot::hasten(TimePoint served_until, TimePoint silent_until) noexcept {
    for (Place& place : places_) {
        if (!place.taken || !place.client.is_idle()) continue;
        place.deadline = std::min(place.deadline, place.client.account.served ? served_until : silent_until);
    }
}

/// A client that has only ended its side may still want its answer, so what it sent counts first.
ParkingLot::Why ParkingLot::why(const HeldClient& client, std::uint32_t events) const noexcept {
    if ((events & EPOLLERR) != 0) return Why::broken;
    if (client.parking().what == Await::output) return (events & EPOLLHUP) != 0 ? Why::broken : Why::ready;
    if ((events & (EPOLLRDHUP | EPOLLHUP)) == 0) return Why::ready;
    int unread = 0;
    return ::ioctl(client.socket(), FIONREAD, &unread) == 0 && unread > 0 ? Why::ready : Why::ended;
}

std::uint32_t ParkingLot::vacant_place() {
    if (vacant_ == none) {
        places_.emplace_back();
        leaving_.reserve(places_.capacity());  // So that taking out never needs memory.
        vacant_ = static_cast<std::uint32_t>(places_.size() - 1);
    }
    return vacant_;
}

HeldClient ParkingLot::take(std::uint32_t number) noexcept {
    Place& place = places_[number];
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, place.client.socket(), nullptr);
    if (place.client.is_idle()) unlink(number);
    HeldClient client = std::move(place.client);
    --size_;
    if (!client.account.served) --unserved_;
    if (client.envelope.descriptors[1]) --files_;
    place.taken = false;
    place.after = vacant_;
    vacant_ = number;
    return client;
}

void ParkingLot::link(std::uint32_t number) noexcept {
    places_[number].before = newest_;
    places_[number].after = none;
    (newest_ == none ? oldest_ : places_[newest_].after) = number;
    newest_ = number;
}

void ParkingLot::unlink(std::uint32_t number) noexcept {
    const Place& place = places_[number];
    (place.before == none ? oldest_ : places_[place.before].after) = place.after;
    (place.after == none ? newest_ : places_[place.after].before) = place.before;
}

}  // namespace bullpen
