/// Of a Pool, the connections in its own hands: parked ones, what workers give back, whom it refuses.
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "core/log.hpp"
#include "core/write_progress.hpp"
#include "pool/pool.hpp"

namespace bullpen {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

template <typename Value>
Value socket_option(int socket, int name, Value otherwise) noexcept {
    Value value{};
    socklen_t size = sizeof value;
    return ::getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0 ? value : otherwise;
}

/// Where there is still somebody at the other end.
bool is_connected_to_another(int socket, const Peer& peer) noexcept {
    sockaddr_storage other;
    socklen_t size = sizeof other;
    auto* const address = reinterpret_cast<sockaddr*>(&other);
    return peer.has_address && ::getpeername(socket, address, &size) == 0 && Peer::of(address, size) != peer;
}

/// A worker may be broken: only what it was given is taken back from it. At first a stream socket of its
/// listener's kind with its client at the other end; from then on the very same.
bool is_what_was_handed(int socket, Account& account, int family) noexcept {
    const auto cookie = socket_option<std::uint64_t>(socket, SO_COOKIE, 0);
    if (account.cookie != 0) return cookie == account.cookie;
    account.cookie = cookie;
    return socket_option(socket, SO_DOMAIN, -1) == family &&
           socket_option(socket, SO_TYPE, -1) == SOCK_STREAM &&
           socket_option(socket, SO_ACCEPTCONN, -1) == 0 && !is_connected_to_another(socket, account.peer);
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

/// From a worker's word, as far as it can be believed.
Parking sane(Parking parking) noexcept {
    if (static_cast<std::size_t>(parking.limit) >= limits_count) parking.limit = Limit::idle;
    if (parking.what != Await::output) parking.what = Await::input;
    return parking;
}

TimePoint deadline_of(const Parking& parking, const TimeLimits& limits, TimePoint now) noexcept {
    constexpr std::chrono::hours longest{1};  // Who is slow and steady may need it.
    if (parking.deadline_ns == 0) return now + time_for(parking.limit, limits);
    const auto longest_ns = static_cast<std::uint64_t>((now + longest).time_since_epoch().count());
    return TimePoint{std::chrono::nanoseconds{std::min(parking.deadline_ns, longest_ns)}};
}

}  // namespace

bool Pool::parks() const noexcept {
    return options_.model.parks();
}

void Pool::limit_connections(std::size_t descriptors) noexcept {
    descriptors_max_ = descriptors;
    connections_max_ = options_.connections_max == 0 ? descriptors : options_.connections_max;
}

/// All workers are busy, and perhaps only wait for clients that they could give back if somebody else came.
bool Pool::is_standing_still(TimePoint now) const noexcept {
    return parks() && now - moved_at_ >= options_.standing_still;
}

/// Whether one more connection may come in.
bool Pool::has_room_for_connection() const noexcept {
    const std::size_t open = lot_.size() + waiting_.size() + held_.size() + connections_in_workers();
    return open < connections_max_ && held_descriptors() < descriptors_max_;
}

std::size_t Pool::connections_in_workers() const noexcept {
    if (!options_.model.multiplexes) return static_cast<std::size_t>(busy_.size() + ahead_.size());
    std::uint64_t sum = 0;
    busy_.for_each([&](std::uint32_t slot) { sum += slots_[slot].outstanding(); });
    return sum;
}

/// Of connections: a socket each, and some have a file with them.
std::size_t Pool::held_descriptors() const noexcept {
    return lot_.descriptors() + 2 * (waiting_.size() + held_.size());
}

void Pool::park(HeldClient client, TimePoint now) noexcept {
    TimePoint deadline = deadline_of(client.parking(), options_.time_limits, now);
    if (phase_ != Phase::serving && client.is_idle())
        deadline =
            std::min(deadline, now + (client.account.served ? options_.stop_settle : options_.stop_patience));
    add(scoreboard_.header().parkings);
    if (lot_.park(client, deadline)) return;
    if (client.is_idle() && client.account.served)  // May be closed at any time (RFC 9112 9.3.1).
        end(client.account, scoreboard_.header().completed);
    else if (client.is_idle())
        refuse(std::move(client), Refusal::connections);
    else
        waiting_.push_back(std::move(client));
}

/// The counts say how many connections lie in the channel; each is there before it is counted. False: some
/// of them still do.
bool Pool::note_returned(std::uint32_t number, TimePoint now) noexcept {
    Slot& slot = slots_[number];
    const std::uint64_t returned = scoreboard_.row(number).returned.load(std::memory_order_seq_cst);
    if (returned == slot.returned) return true;
    if (slot.ended_by_us == ExitReason::replaced) return false;
    if (returned - slot.returned > slot.outstanding()) {
        replace(number, "its row counts more connections given back than it was handed");
        return false;
    }
    if (!has_descriptors_for_returned(now)) return false;
    while (slot.returned != returned) {
        if (take_returned(slot, now)) continue;
        replace(number, "it did not give back what it was handed");
        return false;
    }
    slot.moved_at = moved_at_ = now;
    if (ready_.contains(number)) reclassify(number);
    return true;
}

/// False: what came is nothing that it may send.
bool Pool::take_returned(Slot& slot, TimePoint now) noexcept {
    HeldClient client;
    const Received received = receive_message(slot.channel.master.get(), client.envelope, Wait::never);
    if (received == Received::truncated) {  // Somebody has lowered our limit this instant.
        ++slot.returned;
        end_given(slot, 1);
        add(scoreboard_.header().lost[static_cast<std::size_t>(ExitReason::descriptors)]);
        return true;
    }
    Message& message = client.envelope.message;
    if (received != Received::message || message.kind != MessageKind::returned ||
        !client.envelope.descriptors[0])
        return false;
    std::optional<Account> account = settle_given(slot, message.number);
    if (!account) return false;
    if (!is_what_was_handed(client.socket(), *account, listener_families_[account->listener])) {
        slot.given.push_back({message.number, *account});  // It is lost with the worker.
        return false;
    }
    ++slot.returned;
    client.account = *account;
    message.parking = sane(message.parking);
    const bool served = message.listener != 0 && message.parking.limit == Limit::idle;
    client.account.served = client.account.served || served;
    message.listener = account->listener;
    park(std::move(client), now);
    return true;
}

/// Which of those that the slot was given; it is no longer one of them.
std::optional<Account> Pool::settle_given(Slot& slot, std::uint32_t number) noexcept {
    const auto found = std::find_if(slot.given.begin(), slot.given.end(),
                                    [&](const GivenClient& given) { return given.number == number; });
    if (found == slot.given.end()) return {};
    const Account account = found->account;
    slot.given.erase(found);
    return account;
}

/// So many have ended in the worker, which serves them in their order.
void Pool::end_given(Slot& slot, std::uint64_t count) noexcept {
    const auto last =
        slot.given.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(count, slot.given.size()));
    for (auto given = slot.given.begin(); given != last; ++given)
        admission_.ended(given->account.peer);
    slot.given.erase(slot.given.begin(), last);
}

bool Pool::anything_returned() const noexcept {
    const auto has = [this](std::uint32_t slot) {
        return scoreboard_.row(slot).returned.load(std::memory_order_seq_cst) != slots_[slot].returned &&
               slots_[slot].ended_by_us != ExitReason::replaced;
    };
    return busy_.find_if(has) || draining_.find_if(has);
}

/// Receiving a descriptor without room for it would lose it, so at our limit it stays in the channel.
bool Pool::has_descriptors_for_returned(TimePoint now) noexcept {
    constexpr std::size_t reserve = 32;
    if (descriptors_looked_at_ != now) {
        descriptors_looked_at_ = now;
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        descriptor_limit_ = limit.rlim_cur;
    }
    const std::size_t open =
        descriptors_at_start_ + 2 * (slots() - static_cast<std::size_t>(vacant_.size())) + held_descriptors();
    short_of_descriptors_ = open + reserve >= descriptor_limit_;
    if (!short_of_descriptors_) return true;
    constexpr std::chrono::seconds between_warnings{1};
    if (now - warned_descriptors_ >= between_warnings) {
        warned_descriptors_ = now;
        log(LogLevel::warning,
            "pool " + options_.name + ": out of descriptors; what workers give back waits");
    }
    return false;
}

void Pool::attend_parked(TimePoint now) noexcept {
    if (parks()) scoreboard_.header().asleep.store(0, relaxed);
    if (lot_watch_ && lot_watch_->ready()) {
        lot_watch_->clear_ready();
        see_off(lot_.leave(now), now);
    }
    constexpr std::chrono::seconds between_looks{1};
    if (phase_ != Phase::serving || now - expired_ >= between_looks) {
        expired_ = now;
        see_off(lot_.expire(now), now);
    }
    refuse_who_waited_too_long(now);
}

void Pool::see_off(std::vector<ParkingLot::Leaving>& all, TimePoint now) noexcept {
    for (ParkingLot::Leaving& leaving : all)
        see_off(leaving, now);
    all.clear();  // Else they would stay open until the lot's next look.
}

void Pool::see_off(ParkingLot::Leaving& leaving, TimePoint now) noexcept {
    ScoreboardHeader& header = scoreboard_.header();
    HeldClient& client = leaving.client;
    switch (leaving.why) {
        case ParkingLot::Why::ready:
            client.envelope.message.since_ns = static_cast<std::uint64_t>(now.time_since_epoch().count());
            waiting_.push_back(std::move(client));
            break;
        case ParkingLot::Why::ended: {
            const bool in_order = client.account.served || client.parking().limit == Limit::none;
            end(client.account, in_order ? header.completed : header.client_aborted);
            break;
        }
        case ParkingLot::Why::broken: end(client.account, header.client_aborted); break;
        case ParkingLot::Why::expired:
            if (!parked_again(leaving, now)) end_expired(client);
            break;
    }
}

/// Who has taken enough of what the kernel still holds for it is slow, but steady.
bool Pool::parked_again(ParkingLot::Leaving& leaving, TimePoint now) noexcept {
    HeldClient& client = leaving.client;
    if (client.parking().what != Await::output || client.parking().limit != Limit::write) return false;
    const std::uint32_t unsent = unsent_bytes(client.socket());
    if (unsent >= client.unsent) return false;
    const TimeLimits& limits = options_.time_limits;
    const TimePoint deadline =
        extended(leaving.deadline, now, limits.write, limits.write_rate, client.unsent - unsent);
    return deadline > now && lot_.park(client, deadline);
}

void Pool::end(const Account& account, SharedCounter& outcome) noexcept {
    admission_.ended(account.peer);
    add(outcome);
}

void Pool::end_expired(const HeldClient& client) noexcept {
    ScoreboardHeader& header = scoreboard_.header();
    const bool idle_at_stop = phase_ != Phase::serving && client.is_idle();
    if (client.parking().limit == Limit::none || (idle_at_stop && client.account.served))
        end(client.account, header.completed);
    else if (idle_at_stop)
        end(client.account, header.refused[static_cast<std::size_t>(Refusal::stopping)]);
    else
        end(client.account, header.timed_out[static_cast<std::size_t>(client.parking().limit)]);
}

/// Those that no worker has begun with.
int Pool::unserved() const noexcept {
    return static_cast<int>(lot_.unserved() + waiting_.size() + held_.size());
}

void Pool::refuse(HeldClient client, Refusal why) noexcept {
    admission_.ended(client.account.peer);
    turn_away(client, why);
}

/// In the service's words, where it has some and the client is not in the middle of something. What the
/// client has sent is thrown away first, as far as it is here: unread, it would make the close a reset.
void Pool::turn_away(const HeldClient& client, Refusal why) noexcept {
    add(scoreboard_.header().refused[static_cast<std::size_t>(why)]);
    const bool silently = why == Refusal::denied || why == Refusal::banned || why == Refusal::stopping;
    if (silently || options_.refusal.empty()) return;
    std::array<char, 16 * 1024> scrap;
    (void)!::recv(client.socket(), scrap.data(), scrap.size(), MSG_DONTWAIT);
    (void)!::send(client.socket(), options_.refusal.data(), options_.refusal.size(),
                  MSG_DONTWAIT | MSG_NOSIGNAL);
    ::shutdown(client.socket(), SHUT_WR);
}

void Pool::refuse_who_waited_too_long(TimePoint now) noexcept {
    if (options_.queue_max == 0) return;
    const auto longest_since =
        static_cast<std::uint64_t>((now - options_.queue_wait).time_since_epoch().count());
    std::deque<HeldClient> busy_with_something;
    while (!waiting_.empty() && waiting_.front().envelope.message.since_ns <= longest_since) {
        HeldClient client = std::move(waiting_.front());
        waiting_.pop_front();
        if (client.may_be_refused())
            refuse(std::move(client), Refusal::overload);
        else
            busy_with_something.push_back(std::move(client));
    }
    for (; !busy_with_something.empty(); busy_with_something.pop_back())
        waiting_.push_front(std::move(busy_with_something.back()));
}

/// For one more connection, if there is one.
bool Pool::make_room() noexcept {
    crowded_ = false;
    if (has_room_for_connection()) return true;
    if (!backlog_.has_clients()) return false;
    crowded_ = !evict_idle();
    return !crowded_;
}

/// The one that has been idle for longest goes.
bool Pool::evict_idle() noexcept {
    std::optional<HeldClient> idle = lot_.evict_idle();
    if (!idle) return false;
    if (idle->account.served)
        end(idle->account, scoreboard_.header().completed);
    else
        refuse(std::move(*idle), Refusal::connections);
    return true;
}

}  // namespace bullpen
