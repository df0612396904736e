#include <bullpen/detail/client_wait.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include <bullpen/address.hpp>
#include "core/request_note.hpp"
#include "core/urgent_data.hpp"
#include "core/write_progress.hpp"

namespace bullpen {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {

constexpr unsigned skips_max = 31;  // Of Parking::skips.

}  // namespace

std::optional<Peeked> ClientWait::peek(ClientSocket& socket, std::span<std::byte> buffer,
                                       std::size_t beyond) {
    if (server_.takes_turns && !turn_.take_look()) {
        has_seen_all_ = true;
        return {};
    }
    const auto peeked =
        server_.parks ? peek_a_moment(socket, buffer, beyond) : peek_within_limit(socket, buffer, beyond);
    has_seen_all_ = !peeked;
    return peeked;
}

/// Where the connection can be given back. After an answer the next request is hardly ever there yet: then
/// there is no look before the wait.
std::optional<Peeked> ClientWait::peek_a_moment(ClientSocket& socket, std::span<std::byte> buffer,
                                                std::size_t beyond) {
    nanoseconds moment = server_.await_next;
    if (parking_.deadline_ns != 0)
        moment = std::min(moment, TimePoint{nanoseconds{parking_.deadline_ns}} - Clock::now());
    const bool overdue = moment.count() < 0;
    const bool expected = expected_ > beyond;
    if (expected)
        if (const auto peeked = look(socket, buffer, beyond, MSG_DONTWAIT)) return peeked;
    const bool awaits = moment.count() > 0 && may_await_next();
    if (awaits) {
        // A timer of some milliseconds costs as much as a system call: the master has one for all workers.
        const bool untimed = server_.awaiting_since_ns != nullptr && parking_.deadline_ns == 0;
        const TimePoint begun = Clock::now();
        const auto came =
            wait_a_moment(socket, POLLIN, begun, untimed ? std::nullopt : std::optional{moment});
        if (came != Came::client) {
            if (Clock::now() - begun >= moment) note_vain_wait(begun);
            return {};
        }
    }
    if (awaits || !expected)
        if (const auto peeked = look(socket, buffer, beyond, MSG_DONTWAIT)) {
            if (awaits) parking_.in_vain = 0;
            return peeked;
        }
    if (overdue) socket.failure().time_out(parking_.limit, incomplete);
    return {};  // Also half a head on a UNIX socket, which knows no SO_RCVLOWAT and is always readable.
}

bool ClientWait::may_await_next() noexcept {
    if (server_.is_draining() || server_.somebody_waits()) return false;
    if (parking_.skips == 0) return true;
    parking_.skips = (parking_.skips - 1U) & skips_max;
    return false;
}

void ClientWait::note_vain_wait(TimePoint begun) noexcept {
    set_deadline(deadline_from(begun, parking_.limit));
    constexpr unsigned most = 5;
    parking_.in_vain = std::min(parking_.in_vain + 1U, most) & 7U;
    parking_.skips = ((1U << parking_.in_vain) - 1U) & skips_max;
}

/// The row says that this worker waits before the worker looks whether it is wanted, so that either the
/// master sees the first or the worker the second. Came::message: the master wants something, or a signal
/// came.
ClientWait::Came ClientWait::wait_a_moment(const ClientSocket& socket, short events, TimePoint begun,
                                           std::optional<nanoseconds> at_most) noexcept {
    const auto say_awaiting = [this](TimePoint since, std::memory_order order) {
        if (server_.awaiting_since_ns != nullptr)
            server_.awaiting_since_ns->store(static_cast<std::uint64_t>(since.time_since_epoch().count()),
                                             order);
    };
    pollfd either[2] = {{.fd = socket.fd(), .events = events, .revents = 0},
                        {.fd = server_.channel, .events = POLLIN, .revents = 0}};
    const timespec moment = to_timespec(at_most.value_or(nanoseconds{0}));
    say_awaiting(begun, std::memory_order_seq_cst);
    const int ready = server_.somebody_waits()
                          ? -1
                          : ::ppoll(either, std::size(either), at_most ? &moment : nullptr, nullptr);
    say_awaiting(TimePoint{}, std::memory_order_relaxed);
    if (ready == 0) return Came::nothing;
    return ready > 0 && either[0].revents != 0 ? Came::client : Came::message;
}

/// Where the worker itself has to wait.
std::optional<Peeked> ClientWait::peek_within_limit(ClientSocket& socket, std::span<std::byte> buffer,
                                                    std::size_t beyond) {
    const Limit limit = parking_.limit;
    const TimePoint begun = Clock::now();
    const TimePoint deadline = deadline_from(begun, limit);
    // UNIX sockets know no SO_RCVLOWAT: with half a head they are always readable.
    const bool knows_no_low_water = beyond > 0 && Address::of_socket(socket.fd()).family() == AF_UNIX;
    const bool hurry = limit == Limit::idle && is_let_go(socket);
    next_look_ = {};
    int flags = knows_no_low_water || hurry ? MSG_DONTWAIT : flags_of_first(socket, begun, deadline);
    bool waited = flags == 0;
    bool over = false;
    for (bool gives_up = gave_up_;; waited = true) {
        const auto peeked = look(socket, buffer, beyond, std::exchange(flags, MSG_DONTWAIT));
        gave_up_ = !peeked && gives_up;
        if (peeked || gave_up_) return peeked;
        if (over) socket.failure().time_out(limit, "the client sent nothing within the limit");
        const TimePoint now = Clock::now();
        over = now >= deadline;
        gives_up = (waited || hurry) && others_need_worker(socket, limit);
        if (over || gives_up) continue;  // But not without one more look.
        say_nothing_is_worked_on();
        const nanoseconds span = limit == Limit::idle ? next_look(deadline - now) : deadline - now;
        if (knows_no_low_water)
            socket.wait_for_byte(beyond, span);
        else
            socket.wait_for(POLLIN, span);
    }
}

/// Nothing: no more than `beyond` is there, and more may come.
std::optional<Peeked> ClientWait::look(ClientSocket& socket, std::span<std::byte> buffer, std::size_t beyond,
                                       int flags) {
    const auto size = socket.receive(buffer, MSG_PEEK | flags);
    expected_ = size.value_or(0);
    if (!size) return {};
    if (*size == 0 || *size > beyond) return Peeked{*size, *size == 0};
    const short seen = socket.poll_now(POLLRDHUP | POLLPRI);
    if ((seen & POLLPRI) != 0 && !is_at_urgent_mark(socket.fd()))  // No look ever goes beyond it.
        socket.failure().fail(ECONNRESET, "urgent data within what is to be read as a whole");
    if ((seen & POLLRDHUP) == 0) return {};
    // Once more for what has come with the end since that look.
    const auto last = socket.receive(buffer, MSG_PEEK | MSG_DONTWAIT);
    return Peeked{last.value_or(*size), true};
}

void ClientWait::note_taken(std::size_t bytes) noexcept {
    expected_ -= std::min(expected_, bytes);
}

std::optional<std::size_t> ClientWait::receive_until(ClientSocket& socket, std::span<std::byte> buffer,
                                                     TimePoint deadline) {
    int flags = flags_of_first(socket, Clock::now(), deadline);
    for (bool over = false;;) {
        if (const auto size = socket.receive(buffer, std::exchange(flags, MSG_DONTWAIT))) return size;
        if (over) return {};
        const TimePoint now = Clock::now();
        over = now >= deadline;
        if (!over) socket.wait_for(POLLIN, socket.exchanged() ? deadline - now : next_look(deadline - now));
        end_if_silent_at_stop(socket);
    }
}

/// Of a client that nobody has served yet, at a stop, the server's patience is shorter than any limit.
void ClientWait::end_if_silent_at_stop(ClientSocket& socket) {
    if (socket.exchanged() || !stop_patience_.is_over(server_) || socket.wait_for(POLLIN, {})) return;
    socket.failure().time_out(Limit::idle, "the server stops, and the client has sent nothing yet");
}

/// The first call waits by itself where its slice ends before the deadline: most clients move within it, and
/// cost no poll(2) then. Later ones don't, so that a silent client wakes its worker once and not each slice.
int ClientWait::flags_of_first(const ClientSocket& socket, TimePoint now, TimePoint deadline) const noexcept {
    const bool waits = server_.slice.count() > 0 && !socket.is_nonblocking() && !socket.watches_urgent_data();
    return waits && deadline - now > server_.slice ? 0 : MSG_DONTWAIT;
}

void ClientWait::until_writable(ClientSocket& socket, WriteProgress& progress, std::size_t written) const {
    for (;;) {
        const TimePoint deadline = progress.deadline_after(socket.fd(), std::exchange(written, 0));
        const nanoseconds left = deadline - Clock::now();
        const bool over = left.count() <= 0;
        constexpr useconds_t nap_us = 1000;
        if (progress.is_stuck()) ::usleep(nap_us);
        const bool writable = socket.wait_for(POLLOUT, over ? nanoseconds{0} : left);
        if (over && (!writable || progress.is_stuck()))
            socket.failure().time_out(Limit::write, "the client takes what it asked for too slowly");
        if (writable) return progress.go_on();
    }
}

bool ClientWait::room_comes_soon(const ClientSocket& socket) noexcept {
    return comes_soon(socket, POLLOUT);
}

bool ClientWait::input_comes_soon(const ClientSocket& socket) noexcept {
    return comes_soon(socket, POLLIN);
}

bool ClientWait::comes_soon(const ClientSocket& socket, short events) noexcept {
    constexpr milliseconds moment{4};
    return !server_.somebody_waits() && wait_a_moment(socket, events, Clock::now(), moment) == Came::client;
}

bool ClientWait::wait_here(ClientSocket& socket, Await what) {
    if (gave_up_) return false;
    const short events = what == Await::input ? POLLIN : POLLOUT;
    const Limit limit = what == Await::input ? parking_.limit : Limit::write;
    say_nothing_is_worked_on();
    return until_ready(socket, events, limit, deadline_from(Clock::now(), limit));
}

bool ClientWait::until_readable(ClientSocket& socket, Patience patience) {
    want_input(socket, 1);
    const TimePoint deadline = patience.until.value_or(Clock::now() + limits_.of(patience.limit));
    if (patience.limit == Limit::idle) say_nothing_is_worked_on();
    if (!until_ready(socket, POLLIN, patience.limit, deadline)) return false;
    socket.set_exchanged();
    return true;
}

void ClientWait::until_writable(ClientSocket& socket, Patience patience) const {
    const TimePoint begun = Clock::now();
    const TimePoint deadline = patience.until.value_or(begun + limits_.of(patience.limit));
    for (TimePoint now = begun;; now = Clock::now()) {
        if (socket.wait_for(POLLOUT, std::max<nanoseconds>(deadline - now, nanoseconds{0}))) return;
        if (now >= deadline) socket.failure().time_out(patience.limit, kept_waiting);
    }
}

/// False: the connection is to be closed.
bool ClientWait::until_ready(ClientSocket& socket, short events, Limit limit, TimePoint deadline) {
    next_look_ = {};
    for (;;) {
        const TimePoint now = Clock::now();
        const bool over = now >= deadline;
        const nanoseconds left = over ? nanoseconds{0} : deadline - now;
        const bool looks = limit == Limit::idle || !socket.exchanged();
        if (socket.wait_for(events, looks ? next_look(left) : left)) return true;
        if (over) socket.failure().time_out(limit, kept_waiting);
        gave_up_ = others_need_worker(socket, limit) && !socket.wait_for(events, nanoseconds{0});
        if (gave_up_) return false;
        if (limit != Limit::idle) end_if_silent_at_stop(socket);
    }
}

/// Between two requests (Limit::idle) a client is closed where it would keep a worker from others. A client
/// that has got nothing yet keeps its worker.
bool ClientWait::others_need_worker(const ClientSocket& socket, Limit limit) noexcept {
    const bool only_by_closing = !server_.parks && socket.exchanged();
    return limit == Limit::idle && (is_let_go(socket) || (only_by_closing && server_.pool_has_no_spare()));
}

/// Whether no more requests of this client will be answered. A client that has got nothing yet is waited for
/// stop_patience at a stop of the server, and without end where this worker leaves alone.
bool ClientWait::is_let_go(const ClientSocket& socket) noexcept {
    return server_.is_draining() && (socket.exchanged() || stop_patience_.is_over(server_));
}

/// How long to wait for the client before the server is to be looked at again: between two requests, and
/// before the first, a stop or a lack of workers changes what is waited for. At first soon, then seldom, so
/// that silent clients hardly wake their worker.
nanoseconds ClientWait::next_look(nanoseconds left) noexcept {
    constexpr milliseconds later{1000};
    if (server_.draining == nullptr && server_.spare == nullptr) return left;
    next_look_ = next_look_.count() == 0 ? ListenOptions{}.slice : later;
    if (server_.is_stopping()) next_look_ = ListenOptions{}.slice;
    return std::min<nanoseconds>(left, next_look_);
}

void ClientWait::say_nothing_is_worked_on() const noexcept {
    if (server_.note != nullptr) server_.note->begun_ns.store(0, std::memory_order_relaxed);
}

void ClientWait::wait_at_most(const ClientSocket& socket, Patience patience,
                              std::size_t input_at_least) noexcept {
    want_input(socket, input_at_least);
    parking_.limit = patience.limit;
    set_deadline(patience.until.value_or(TimePoint{}));
}

void ClientWait::want_input(const ClientSocket& socket, std::size_t at_least) noexcept {
    if (parking_.input_at_least == at_least) return;
    socket.set_low_water(at_least);
    parking_.input_at_least = static_cast<std::uint32_t>(at_least);
}

void ClientWait::set_deadline(TimePoint deadline) noexcept {
    parking_.deadline_ns = static_cast<std::uint64_t>(deadline.time_since_epoch().count());
}

TimePoint ClientWait::deadline_from(TimePoint begin, Limit limit) const noexcept {
    if (parking_.deadline_ns != 0) return TimePoint{nanoseconds{parking_.deadline_ns}};
    return begin + limits_.of(limit);
}

}  // namespace bullpen
