#include "pool/connected_peers.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <bullpen/clock.hpp>
#include "core/datagram_metrics.hpp"
#include "core/log.hpp"

namespace bullpen {
namespace {

constexpr std::uint64_t silence_ns = 1'000'000'000;
constexpr std::uint64_t look_interval_ns = 250'000'000;
constexpr int wait_ms = 250;

void set_on(int fd, int level, int name) noexcept {
    constexpr int on = 1;
    ::setsockopt(fd, level, name, &on, sizeof on);
}

bool is_udp(const Listener& listener) noexcept {
    return listener.is_for_datagrams() && listener.address().family() != AF_UNIX;
}

bool connect_to(int fd, const Address& address) noexcept {
    return ::connect(fd, address.data(), address.size()) == 0;
}

bool are_equal(const Address& one, const Address& other) noexcept {
    return one.size() == other.size() && std::memcmp(one.data(), other.data(), one.size()) == 0;
}

/// The socket's error, which is cleared by that.
int take_error(int fd) noexcept {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

/// Once for all threads of a process.
void say_why_none(const Address& own, int error) {
    static std::atomic<bool> said{false};
    if (said.exchange(true)) return;
    const char* const why = error == EADDRINUSE ? " (only the user who opened the listener may)"
                            : error == EACCES   ? " (a port below 1024 needs root or CAP_NET_BIND_SERVICE)"
                                                : "";
    log(LogLevel::warning, "busy peers get no sockets of their own: cannot bind " + own.text() +
                               " once more: " + std::strerror(error) + why);
}

}  // namespace

ConnectedPeers::ConnectedPeers(std::size_t most, std::span<const Listener> listeners,
                               std::span<SharedCounter> dropped)
    : listeners_{listeners}, dropped_{dropped} {
    if (most == 0 || std::none_of(listeners.begin(), listeners.end(), is_udp)) return;
    busy_.emplace();
    places_.resize(most);
    ready_.resize(most + listeners.size());
    for (const Listener& listener : listeners)
        if (is_udp(listener)) set_on(listener.fd(), SOL_SOCKET, SO_REUSEPORT);
}

void ConnectedPeers::note(const Datagram& datagram, std::size_t listener, std::uint64_t received_ns,
                          std::uint64_t service_ns) noexcept {
    const Address peer = datagram.sender();
    const auto host = IpAddress::of(peer.data(), peer.size());
    if (host && busy_->note(*host, peer.port(), received_ns, service_ns))
        connect(peer, datagram.came_to(), listener, received_ns);
}

bool ConnectedPeers::has(const Address& peer, const Address& own) const noexcept {
    return std::any_of(places_.begin(), places_.end(), [&](const Place& place) {
        return place && !place->released && are_equal(place->address, peer) &&
               are_equal(place->socket.address(), own);
    });
}

/// What can fail and lose nothing comes first: once it is bound, datagrams may be in the socket.
void ConnectedPeers::connect(const Address& peer, const Address& own, std::size_t listener,
                             std::uint64_t now_ns) {
    if (!has_room() || has(peer, own)) return;
    UniqueFd fd{::socket(own.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd || !watch_listeners()) return;
    const auto place = std::find_if(places_.begin(), places_.end(), [](const Place& one) { return !one; });
    epoll_event readable{};
    readable.events = EPOLLIN;
    readable.data.u64 = static_cast<std::uint64_t>(place - places_.begin());
    set_on(fd.get(), SOL_SOCKET, SO_REUSEPORT);
    if (own.family() == AF_INET6) set_on(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &readable) != 0 ||
        ::bind(fd.get(), own.data(), own.size()) != 0) {
        const int error = errno;
        if (empty()) epoll_.reset();
        if (error != EADDRINUSE && error != EACCES && error != EPERM) return;
        say_why_none(own, error);
        can_bind_ = false;
        return;
    }
    const bool connected = connect_to(fd.get(), peer);
    place->emplace(Peer{.socket = Listener::adopt_twin(std::move(fd)),
                        .listener = listener,
                        .address = peer,
                        .heard_ns = now_ns});
    if (!connected) release(**place);
    note_count(count_ + 1);
}

/// A datagram that comes to a listener wakes one of all workers that wait for it.
bool ConnectedPeers::watch_listeners() noexcept {
    if (epoll_) return true;
    UniqueFd epoll{::epoll_create1(EPOLL_CLOEXEC)};
    if (!epoll) return false;
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        epoll_event readable{};
        readable.events = EPOLLIN | EPOLLEXCLUSIVE;
        readable.data.u64 = places_.size() + i;
        if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, listeners_[i].fd(), &readable) != 0) return false;
    }
    epoll_ = std::move(epoll);
    looked_ns_ = monotonic_ns();
    return true;
}

void ConnectedPeers::serve_ready(const std::function<void(const DatagramSource&)>& serve) {
    const int found = ::epoll_wait(epoll_.get(), ready_.data(), static_cast<int>(ready_.size()), wait_ms);
    const std::uint64_t now_ns = monotonic_ns();
    for (int i = 0; i < found; ++i) {
        const epoll_event& one = ready_[static_cast<std::size_t>(i)];
        const std::size_t index = one.data.u64;
        if (index >= places_.size()) {
            const std::size_t listener = index - places_.size();
            serve({.socket = listeners_[listener], .listener = listener});
        } else if (Place& place = places_[index]; place) {
            note_readiness(*place, one.events, now_ns);
            serve(place->source());
        }
    }
    look_after(now_ns);
}

void ConnectedPeers::note_readiness(Peer& peer, std::uint32_t events, std::uint64_t now_ns) noexcept {
    if ((events & EPOLLIN) != 0) peer.heard_ns = now_ns;
    if ((events & EPOLLERR) != 0 && take_error(peer.socket.fd()) == ECONNREFUSED) release(peer);
}

/// Nothing comes from its own address: the services answer none, and it is no other socket's.
void ConnectedPeers::release(Peer& peer) noexcept {
    if (std::exchange(peer.released, true)) return;
    connect_to(peer.socket.fd(), peer.socket.address());
}

/// One that is released is closed at a later look: what was on its way to it has come by then.
void ConnectedPeers::look_after(std::uint64_t now_ns) noexcept {
    if (now_ns - looked_ns_ < look_interval_ns) return;
    looked_ns_ = now_ns;
    for (Place& place : places_) {
        if (!place) continue;
        count_dropped(*place);
        if (!place->released && now_ns - place->heard_ns >= silence_ns)
            release(*place);
        else if (place->released && !place->socket.has_clients())
            close(place);
    }
}

void ConnectedPeers::leave(const std::function<void(const DatagramSource&)>& serve) {
    for (Place& place : places_)
        if (place) release(*place);
    for (Place& place : places_) {
        if (!place) continue;
        while (place->socket.has_clients())
            serve(place->source());
        close(place);
    }
}

void ConnectedPeers::count_dropped(Peer& peer) noexcept {
    const std::uint64_t dropped = peer.socket.dropped();
    add(dropped_[peer.listener], dropped - peer.dropped);
    peer.dropped = dropped;
}

void ConnectedPeers::close(Place& place) noexcept {
    count_dropped(*place);
    place.reset();
    note_count(count_ - 1);
    if (empty()) epoll_.reset();
}

void ConnectedPeers::note_count(std::size_t count) noexcept {
    count_ = count;
    note_connected_peers(count);
}

void ConnectedPeers::drop() noexcept {
    for (Place& place : places_)
        place.reset();
    epoll_.reset();
}

}  // namespace bullpen
