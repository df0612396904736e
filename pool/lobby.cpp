#include "pool/lobby.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <system_error>
#include <vector>

#include "core/write_progress.hpp"

namespace bullpen {
namespace {

/// Whether input has arrived: cheaper than adding the socket to the epoll and removing it again.
bool has_input(int socket) noexcept {
    int unread = 0;
    return ::ioctl(socket, FIONREAD, &unread) == 0 && unread > 0;
}

std::uint32_t events_of(const ConnectionEntry& entry) noexcept {
    return entry.parking().what == Await::input ? EPOLLIN | EPOLLRDHUP : EPOLLOUT;
}

/// Whether part of a message has arrived and the handler has asked for more bytes (SO_RCVLOWAT).
bool is_half_message(const ConnectionEntry& entry) noexcept {
    return entry.parking().what == Await::input && entry.parking().input_at_least > 1;
}

std::chrono::milliseconds time_for(Limit limit, const TimeLimits& limits) noexcept {
    switch (limit) {
        case Limit::header: return limits.header;
        case Limit::body: return limits.body;
        case Limit::read: return limits.read;
        case Limit::write: return limits.write;
        case Limit::none:
        case Limit::idle: break;
    }
    return limits.idle;
}

template <std::size_t... index>
std::array<ConnectionList, sizeof...(index)> lists_of(Connections& connections,
                                                      std::index_sequence<index...>) {
    return {((void)index, ConnectionList{connections})...};
}

}  // namespace

Lobby::Lobby(const PoolOptions& options, Connections& connections, Scoreboard& scoreboard)
    : options_{options},
      connections_{connections},
      scoreboard_{scoreboard},
      epoll_{::epoll_create1(EPOLL_CLOEXEC)},
      first_{connections},
      queue_{connections},
      idle_{connections},
      resting_{lists_of(connections, std::make_index_sequence<pauses>{})} {
    if (!epoll_) throw std::system_error{errno, std::generic_category(), "cannot create an epoll"};
}

void Lobby::adopt(TimePoint now) {
    const UniqueFd fresh{::epoll_create1(EPOLL_CLOEXEC)};
    if (!fresh || ::dup3(fresh.get(), epoll_.get(), O_CLOEXEC) < 0)  // Closes the dead master's.
        throw std::system_error{errno, std::generic_category(), "cannot create an epoll"};
    std::vector<Place> waiting;
    std::vector<Place> parked;
    connections_.for_each(Where::waiting, [&](Place client, ConnectionEntry&) { waiting.push_back(client); });
    connections_.for_each(Where::parked, [&](Place client, ConnectionEntry&) { parked.push_back(client); });
    std::sort(waiting.begin(), waiting.end(),
              [this](Place a, Place b) { return connections_.at(a).since < connections_.at(b).since; });
    std::sort(parked.begin(), parked.end(),
              [this](Place a, Place b) { return connections_.at(a).deadline < connections_.at(b).deadline; });
    for (const Place client : waiting) {
        if (!connections_.at(client).was_given && !receive(client, now)) continue;
        connections_.at(client).was_given ? first_.push_back(client) : queue_.push_back(client);
    }
    for (const Place client : parked) {
        connections_.at(client).look_again = {};
        ++parked_;
        watch_parked(client, now);
    }
}

void Lobby::put_first(Place client) noexcept {
    connections_.move(client, Where::waiting);
    first_.push_back(client);
}

void Lobby::put_before_others(Place client) noexcept {
    connections_.move(client, Where::waiting);
    queue_.push_front(client);
}

void Lobby::put_last(Place client) noexcept {
    connections_.move(client, Where::waiting);
    queue_.push_back(client);
}

bool Lobby::receive(Place client, TimePoint now) noexcept {
    if (options_.handoff_when == HandoffWhen::accepted || has_input(connections_.at(client).socket.get()))
        return true;
    park(client, now);
    return false;
}

std::optional<Place> Lobby::take(ConnectionList& list) noexcept {
    if (list.empty()) return {};
    const Place client = list.front();
    list.erase(client);
    return client;
}

void Lobby::keep_queue_short(TimePoint now) noexcept {
    if (options_.queue == 0) return;
    const auto refuse = [this](Place client) {
        queue_.erase(client);
        connections_.end(client, Ending::refused(Refusal::overload));
    };
    queue_.visit_back_while([&](Place client) {
        if (queue_.size() <= static_cast<std::size_t>(options_.queue)) return false;
        if (connections_.at(client).may_be_refused()) refuse(client);
        return true;
    });
    queue_.visit_while([&](Place client) {
        if (now - connections_.at(client).since < options_.queue_timeout) return false;
        if (connections_.at(client).may_be_refused()) refuse(client);
        return true;
    });
}

void Lobby::park(Place client, TimePoint now) noexcept {
    ConnectionEntry& entry = connections_.at(client);
    entry.deadline = deadline_of(entry, now);
    entry.half_heads =
        is_half_message(entry) ? static_cast<std::uint8_t>(std::min(entry.half_heads + 1, 255)) : 0;
    if (may_have_spoken(entry) && has_input(entry.socket.get())) return enqueue(client, now);
    add(scoreboard_.header().parkings);
    connections_.move(client, Where::parked);
    ++parked_;
    if (entry.half_heads > 1) return rest(client, now);
    if (entry.parking().what == Await::output) entry.unsent = unsent_bytes(entry.socket.get());
    watch_parked(client, now);
}

void Lobby::take_in(Place client, TimePoint now) noexcept {
    add(scoreboard_.header().parkings);
    connections_.move(client, Where::parked);
    ++parked_;
    watch_parked(client, now);
}

void Lobby::watch_parked(Place client, TimePoint now) noexcept {
    const ConnectionEntry& entry = connections_.at(client);
    if (entry.is_idle()) idle_.push_back(client);
    if (watch(client)) return;
    // The kernel can't watch one more (fs.epoll.max_user_watches, memory).
    const bool idle = entry.is_idle();
    const bool served = entry.served;
    unpark(client);
    if (!idle)
        enqueue(client, now);
    else  // A server may close between two requests at any time (RFC 9112 9.3.1).
        connections_.end(client, served ? Ending::completed() : Ending::refused(Refusal::connections));
}

/// While clients wait for workers, a kept client that is parked has mostly sent its next request already:
/// then it need not be watched.
bool Lobby::may_have_spoken(const ConnectionEntry& entry) const noexcept {
    return waiting() > 0 && entry.is_idle();
}

bool Lobby::watch(Place client) noexcept {
    ConnectionEntry& entry = connections_.at(client);
    const std::uint64_t data = std::uint64_t{client.generation} << 32 | client.index;
    epoll_event watched{.events = events_of(entry) | EPOLLONESHOT, .data = {.u64 = data}};
    const int operation = entry.registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    entry.watched = ::epoll_ctl(epoll_.get(), operation, entry.socket.get(), &watched) == 0;
    entry.registered = entry.registered || entry.watched;
    return entry.watched;
}

/// Takes the connection out of its list and its watch; the caller puts it somewhere else at once.
void Lobby::unpark(Place client) noexcept {
    ConnectionEntry& entry = connections_.at(client);
    if (entry.look_again != TimePoint{})
        resting_list(entry).erase(client);
    else if (entry.is_idle())
        idle_.erase(client);
    if (entry.watched) {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, entry.socket.get(), nullptr);
        entry.watched = entry.registered = false;
    }
    entry.look_again = {};
    --parked_;
}

/// Makes the connection wait for a worker, because its event has come or can't be waited for.
void Lobby::enqueue(Place client, TimePoint now) noexcept {
    connections_.at(client).since = now;
    put_last(client);
}

/// Leaves a connection with an incomplete head unwatched for a pause, so that a head sent byte by byte
/// doesn't cost a handoff for each byte. The pause doubles with half_heads: drip_pause_min, 2, 4 … times, up
/// to drip_pause_max.
void Lobby::rest(Place client, TimePoint now) noexcept {
    ConnectionEntry& entry = connections_.at(client);
    const auto doubled = options_.drip_pause_min * (1 << std::min<int>(entry.half_heads - 2, pauses - 1));
    entry.look_again = now + std::min<std::chrono::nanoseconds>(doubled, options_.drip_pause_max);
    resting_list(entry).push_back(client);
}

ConnectionList& Lobby::resting_list(const ConnectionEntry& entry) noexcept {
    return resting_[static_cast<std::size_t>(std::min<int>(entry.half_heads - 2, pauses - 1))];
}

/// Watches connections again whose pause is over; returns whether there were any. The pauses of a list are
/// equally long, so that they end in the list's order.
bool Lobby::end_rests(TimePoint now) noexcept {
    bool any = false;
    for (ConnectionList& list : resting_) {
        while (!list.empty() && connections_.at(list.front()).look_again <= now) {
            const Place client = list.front();
            list.erase(client);
            ConnectionEntry& entry = connections_.at(client);
            entry.look_again = {};
            if (entry.is_idle()) idle_.push_back(client);
            any = true;
            if (watch(client)) continue;
            unpark(client);
            enqueue(client, now);
        }
    }
    return any;
}

void Lobby::attend(TimePoint now) noexcept {
    now_ = now;
    const bool rested = end_rests(now);
    if (watch_ && (watch_->ready() || rested)) {
        watch_->clear_ready();
        see_off_all();
    }
    constexpr std::chrono::seconds between_looks{1};
    if (stopping_ || now - expired_ >= between_looks) {
        expired_ = now;
        expire(now);
    }
    end_departed(now);
}

/// Sees off the connections that epoll reports, in the order of their events, up to a bounded number.
void Lobby::see_off_all() noexcept {
    std::array<epoll_event, 128> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), 0);
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        const Place client{.index = static_cast<std::uint32_t>(event.data.u64),
                           .generation = static_cast<std::uint32_t>(event.data.u64 >> 32)};
        if (!connections_.is_current(client) || !connections_.at(client).watched) continue;
        connections_.at(client).watched = false;  // EPOLLONESHOT.
        see_off(client, look_at(connections_.at(client), event.events));
    }
}

void Lobby::see_off(Place client, Look look) noexcept {
    ConnectionEntry& entry = connections_.at(client);
    unpark(client);
    switch (look) {
        case Look::nothing:
        case Look::ready: enqueue(client, now_); break;
        case Look::ended: {
            const bool in_order = entry.served || entry.parking().limit == Limit::none;
            connections_.end(client, in_order ? Ending::completed() : Ending::client_aborted());
            break;
        }
        case Look::broken: connections_.end(client, Ending::client_aborted()); break;
    }
}

/// Interprets what epoll or poll(2) reported (their bits are the same). A client that has only ended its side
/// may still want its answer, so unread input comes before the end.
Lobby::Look Lobby::look_at(const ConnectionEntry& entry, std::uint32_t events) noexcept {
    if ((events & EPOLLERR) != 0) return Look::broken;
    if (entry.parking().what == Await::output) {
        if ((events & EPOLLHUP) != 0) return Look::broken;
        return (events & EPOLLOUT) != 0 ? Look::ready : Look::nothing;
    }
    if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0)
        return has_input(entry.socket.get()) ? Look::ready : Look::ended;
    return (events & EPOLLIN) != 0 ? Look::ready : Look::nothing;
}

/// Ends parked connections whose deadline has passed. Each is looked at once more, because its event may have
/// come in time while the master was late.
void Lobby::expire(TimePoint now) noexcept {
    connections_.for_each(Where::parked, [&](Place client, ConnectionEntry& entry) {
        if (entry.deadline > now) return;
        pollfd polled{.fd = entry.socket.get(), .events = static_cast<short>(events_of(entry)), .revents = 0};
        const bool any = ::poll(&polled, 1, 0) == 1;
        const Look look = any ? look_at(entry, static_cast<std::uint32_t>(polled.revents)) : Look::nothing;
        if (look != Look::nothing) return see_off(client, look);
        if (is_steady(entry, now)) return;
        unpark(client);
        end_expired(client);
    });
}

/// Extends the deadline of a client that takes its answer: by one second for every write_rate bytes that have
/// left the kernel's buffer since the last look, to write_timeout ahead at most. Returns whether the deadline
/// now lies in the future.
bool Lobby::is_steady(ConnectionEntry& entry, TimePoint now) const noexcept {
    if (entry.parking().what != Await::output || entry.parking().limit != Limit::write) return false;
    const std::uint32_t unsent = unsent_bytes(entry.socket.get());
    if (unsent >= entry.unsent) return false;
    const TimeLimits& limits = options_.time_limits;
    entry.deadline = extended(entry.deadline, now, limits.write, limits.write_rate, entry.unsent - unsent);
    entry.unsent = unsent;
    return entry.deadline > now;
}

void Lobby::end_expired(Place client) noexcept {
    const ConnectionEntry& entry = connections_.at(client);
    const bool idle_at_stop = stopping_ && entry.is_idle();
    if (entry.parking().limit == Limit::none || (idle_at_stop && entry.served))
        connections_.end(client, Ending::completed());
    else if (idle_at_stop)
        connections_.end(client, Ending::refused(Refusal::stopping));
    else
        connections_.end(client, Ending::timed_out(entry.parking().limit));
}

/// Ends connections in the queue that are broken. A client that has only ended its side may still want its
/// answer, and stays.
void Lobby::end_departed(TimePoint now) noexcept {
    constexpr std::chrono::milliseconds between_looks{100};
    constexpr std::size_t at_once = 256;
    if (queue_.empty() || now - departed_ < between_looks) return;
    departed_ = now;
    std::array<pollfd, at_once> polled;
    std::array<Place, at_once> clients;
    std::size_t count = 0;
    queue_.visit_while([&](Place client) {
        polled[count] = {.fd = connections_.at(client).socket.get(), .events = 0, .revents = 0};
        clients[count] = client;
        return ++count < at_once;
    });
    if (::poll(polled.data(), count, 0) <= 0) return;
    for (std::size_t i = 0; i < count; ++i) {
        if ((polled[i].revents & (POLLERR | POLLHUP)) == 0) continue;
        if ((polled[i].revents & POLLERR) == 0 && has_input(polled[i].fd)) continue;
        queue_.erase(clients[i]);
        connections_.end(clients[i], Ending::client_aborted());
    }
}

bool Lobby::evict_idle() noexcept {
    if (idle_.empty()) return false;
    const Place client = idle_.front();
    const bool served = connections_.at(client).served;
    unpark(client);
    connections_.end(client, served ? Ending::completed() : Ending::refused(Refusal::connections));
    return true;
}

void Lobby::begin_stop(TimePoint now) noexcept {
    stopping_ = true;
    connections_.for_each(Where::parked, [&](Place, ConnectionEntry& entry) {
        if (entry.is_idle()) entry.deadline = std::min(entry.deadline, deadline_of(entry, now));
    });
}

void Lobby::lose_all(ExitReason why) noexcept {
    while (const auto client = take_first())
        connections_.end(*client, Ending::lost(why));
    while (const auto client = take_next())
        connections_.end(*client, Ending::lost(why));
    connections_.for_each(Where::parked, [&](Place client, ConnectionEntry&) {
        unpark(client);
        connections_.end(client, Ending::lost(why));
    });
}

TimePoint Lobby::deadline_of(const ConnectionEntry& entry, TimePoint now) const noexcept {
    constexpr std::chrono::hours longest{
        1};  // A worker's deadline is accepted if it is at most one hour ahead.
    const Parking& parking = entry.parking();
    TimePoint deadline = now + time_for(parking.limit, options_.time_limits);
    if (parking.deadline_ns != 0) {
        const auto latest = static_cast<std::uint64_t>((now + longest).time_since_epoch().count());
        deadline = TimePoint{std::chrono::nanoseconds{std::min(parking.deadline_ns, latest)}};
    }
    if (!stopping_ || !entry.is_idle()) return deadline;
    return std::min(deadline, now + (entry.served ? options_.stop_settle : options_.stop_patience));
}

TimePoint Lobby::prepare_to_wait(TimePoint now) noexcept {
    TimePoint next = TimePoint::max();
    if (parked_ > 0 && watch_) watch_->arm();
    for (const ConnectionList& list : resting_)
        if (!list.empty()) next = std::min(next, connections_.at(list.front()).look_again);
    if (options_.queue > 0 && !queue_.empty()) {
        constexpr std::chrono::milliseconds shortest{10};
        next = std::min(next, now + std::max(shortest, options_.queue_timeout / 8));
    }
    return next;
}

}  // namespace bullpen
