#include "core/connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "core/listener.hpp"
#include "core/outgoing.hpp"
#include "core/transfer_step.hpp"
#include "core/write_progress.hpp"

namespace bullpen {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {

std::uint32_t value_of(const std::atomic<std::uint32_t>* word) noexcept {
    return word == nullptr ? 0 : word->load(std::memory_order_relaxed);
}

}  // namespace

bool ServerView::is_draining() const noexcept {
    return value_of(draining) != 0 || value_of(leaving) != 0;
}

bool ServerView::is_stopping() const noexcept {
    return value_of(draining) != 0 || value_of(leaving) == orphaned;
}

bool StopPatience::is_over(const ServerView& server) noexcept {
    if (!server.is_stopping()) return false;
    const TimePoint now = Clock::now();
    if (!end_) end_ = now + server.stop_patience;
    return now >= *end_;
}

namespace {

/// For sendfile(2), which has no MSG_DONTWAIT. Nobody else has the socket meanwhile. FIONBIO leaves the other
/// flags of the open file alone, which stays with the connection wherever it goes.
class NonblockingWhile {
public:
    explicit NonblockingWhile(int socket) noexcept : socket_{socket} { set(1); }
    ~NonblockingWhile() { set(0); }
    NonblockingWhile(const NonblockingWhile&) = delete;
    NonblockingWhile& operator=(const NonblockingWhile&) = delete;

private:
    void set(int nonblocking) const noexcept { ::ioctl(socket_, FIONBIO, &nonblocking); }

    int socket_;
};

/// SO_RCVTIMEO and SO_PEEK_OFF of a socket whose next recv is to wait for one byte behind `offset` others.
class PeekFrom {
public:
    PeekFrom(int socket, std::size_t offset, std::chrono::nanoseconds at_most) noexcept : socket_{socket} {
        socklen_t size = sizeof slice_;
        ::getsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &slice_, &size);
        const auto us = std::chrono::ceil<std::chrono::microseconds>(at_most).count();
        constexpr std::int64_t us_per_s = 1'000'000;
        set_wait({.tv_sec = us / us_per_s, .tv_usec = us % us_per_s});
        set_offset(static_cast<int>(offset));
    }
    ~PeekFrom() {
        set_offset(-1);
        set_wait(slice_);
    }
    PeekFrom(const PeekFrom&) = delete;
    PeekFrom& operator=(const PeekFrom&) = delete;

private:
    void set_wait(timeval wait) const noexcept {
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    }
    void set_offset(int offset) const noexcept {
        ::setsockopt(socket_, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset);
    }

    int socket_;
    timeval slice_{};
};

timespec to_timespec(nanoseconds span) noexcept {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(span);
    return {.tv_sec = seconds.count(), .tv_nsec = (span - seconds).count()};
}

constexpr const char* incomplete = "the client hasn't sent the whole of it in time";
constexpr const char* takes_too_slowly = "the client takes what it asked for too slowly";

}  // namespace

Connection::Connection(UniqueFd socket, ServerView server) noexcept
    : socket_{std::move(socket)}, server_{server} {}

void Connection::set_socket_timeouts(milliseconds slice) noexcept {
    server_.slice = slice;
    const timeval value{.tv_sec = slice.count() / 1000, .tv_usec = (slice.count() % 1000) * 1000};
    for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO})
        ::setsockopt(fd(), SOL_SOCKET, option, &value, sizeof value);
}

std::size_t Connection::read_some(std::span<std::byte> buffer) {
    if (has_unread())
        return read_behind_unread(buffer, [this](std::span<std::byte> rest) { return read_some(rest); });
    want_input(1);
    if (const auto size = receive_until(buffer, Clock::now() + limits_.read)) return *size;
    failure_.time_out(Limit::read, "the client sent nothing within the read limit");
}

std::size_t Connection::read_before(std::span<std::byte> buffer, TimePoint deadline) {
    if (has_unread())
        return read_behind_unread(buffer,
                                  [&](std::span<std::byte> rest) { return read_before(rest, deadline); });
    want_input(1);
    if (const auto size = receive_until(buffer, deadline)) return *size;
    failure_.time_out(Limit::read, incomplete);
}

bool Connection::read_exactly(std::span<std::byte> buffer) {
    buffer = buffer.subspan(take_unread(buffer));
    want_input(1);
    TransferProgress progress{limits_.body, limits_.body_rate};
    std::size_t passed = 0;
    for (bool first = true; !buffer.empty(); first = false) {
        auto size = first ? receive(buffer, MSG_DONTWAIT) : std::nullopt;  // It may all be there.
        if (!size) {
            size = receive_until(buffer, progress.deadline_after(std::exchange(passed, 0)));
            if (!size) failure_.time_out(Limit::body, "the client sends too slowly");
        }
        if (*size == 0) return false;
        passed += *size;
        buffer = buffer.subspan(*size);
    }
    return true;
}

/// Nothing: it isn't there, or wasn't for as long as the flags let the kernel wait.
std::optional<std::size_t> Connection::receive(std::span<std::byte> buffer, int flags) {
    const TransferStep step = receive_step(fd(), buffer, flags);
    switch (step.outcome) {
        case TransferStep::Outcome::moved:
        case TransferStep::Outcome::ended: touched_ = true; return step.bytes;
        case TransferStep::Outcome::would_block:
        case TransferStep::Outcome::interrupted: return {};
        case TransferStep::Outcome::failed: break;
    }
    failure_.fail(step.error, "read from the client");
}

/// Nothing: it wasn't there when it was looked for after the deadline.
std::optional<std::size_t> Connection::receive_until(std::span<std::byte> buffer, TimePoint deadline) {
    int flags = flags_of_first(Clock::now(), deadline);
    for (bool over = false;;) {
        if (const auto size = receive(buffer, std::exchange(flags, MSG_DONTWAIT))) return size;
        if (over) return {};
        const TimePoint now = Clock::now();
        over = now >= deadline;
        if (!over) wait_for(POLLIN, touched_ ? deadline - now : next_look(deadline - now));
        end_if_silent_at_stop();
    }
}

/// Of a client that nobody has served yet, at a stop, the server's patience is shorter than any limit.
void Connection::end_if_silent_at_stop() {
    if (touched_ || !stop_patience_.is_over(server_) || wait_for(POLLIN, {})) return;
    failure_.time_out(Limit::idle, "the server stops, and the client has sent nothing yet");
}

/// The first call waits by itself where its slice ends before the deadline: most clients move within it, and
/// cost no poll(2) then. Later ones don't, so that a silent client wakes its worker once and not each slice.
int Connection::flags_of_first(TimePoint now, TimePoint deadline) const noexcept {
    return server_.slice.count() > 0 && deadline - now > server_.slice ? 0 : MSG_DONTWAIT;
}

void Connection::unread(std::span<const std::byte> bytes) {
    unread_.insert(unread_.begin(), bytes.begin(), bytes.end());
}

/// At the client's end: once more what is unread, and then 0.
template <typename Read>
std::size_t Connection::read_behind_unread(std::span<std::byte> buffer, Read read) {
    const std::size_t old = take_unread(buffer);
    if (old == buffer.size()) return old;
    if (has_ended_) return 0;
    const std::size_t added = read(buffer.subspan(old));
    has_ended_ = added == 0;
    return old + added;
}

std::size_t Connection::take_unread(std::span<std::byte> buffer) noexcept {
    const std::size_t size = std::min(buffer.size(), unread_.size());
    std::copy_n(unread_.begin(), size, buffer.begin());
    unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(size));
    return size;
}

std::optional<Connection::Peeked> Connection::peek(std::span<std::byte> buffer, Patience patience,
                                                   std::size_t beyond) {
    wait_at_most(patience, beyond + 1);
    return server_.parks ? peek_a_moment(buffer, beyond) : peek_within_limit(buffer, beyond);
}

/// Where the connection can be given back. After an answer the next request is hardly ever there yet: then
/// the look before the wait is left out.
std::optional<Connection::Peeked> Connection::peek_a_moment(std::span<std::byte> buffer, std::size_t beyond) {
    nanoseconds moment = server_.await_next;
    if (parking_.deadline_ns != 0)
        moment = std::min(moment, TimePoint{nanoseconds{parking_.deadline_ns}} - Clock::now());
    const bool overdue = moment.count() < 0;
    const bool expected = expected_ > beyond;
    if (expected)
        if (const auto peeked = look(buffer, beyond, MSG_DONTWAIT)) return peeked;
    const bool awaits = moment.count() > 0 && may_await_next();
    if (awaits) {
        // A timer of some milliseconds costs as much as a system call: the master has one for all workers.
        const bool untimed = server_.awaiting_since_ns != nullptr && parking_.deadline_ns == 0;
        const TimePoint begun = Clock::now();
        const auto came = wait_a_moment(POLLIN, begun, untimed ? std::nullopt : std::optional{moment});
        if (came != Came::client) {
            if (Clock::now() - begun >= moment) note_vain_wait(begun);
            return {};
        }
    }
    if (awaits || !expected)
        if (const auto peeked = look(buffer, beyond, MSG_DONTWAIT)) {
            if (awaits) parking_.in_vain = 0;
            return peeked;
        }
    if (overdue) failure_.time_out(parking_.limit, incomplete);
    return {};  // Also half a head on a UNIX socket, which knows no SO_RCVLOWAT and is always readable.
}

bool Connection::may_await_next() noexcept {
    if (draining() || somebody_waits()) return false;
    if (parking_.skips == 0) return true;
    --parking_.skips;
    return false;
}

void Connection::note_vain_wait(TimePoint begun) noexcept {
    set_deadline(deadline_from(begun, parking_.limit));
    constexpr std::uint8_t most = 5;
    parking_.in_vain = std::min<std::uint8_t>(static_cast<std::uint8_t>(parking_.in_vain + 1), most);
    parking_.skips = static_cast<std::uint8_t>((1U << parking_.in_vain) - 1);
}

/// Says that this worker can be had before it looks whether it is wanted: either the master sees the one, or
/// the worker sees the other. Came::message: the master wants something, or a signal came.
Connection::Came Connection::wait_a_moment(short events, TimePoint begun,
                                           std::optional<nanoseconds> at_most) noexcept {
    const auto say_awaiting = [this](TimePoint since, std::memory_order order) {
        if (server_.awaiting_since_ns != nullptr)
            server_.awaiting_since_ns->store(static_cast<std::uint64_t>(since.time_since_epoch().count()),
                                             order);
    };
    pollfd either[2] = {{.fd = fd(), .events = events, .revents = 0},
                        {.fd = server_.channel, .events = POLLIN, .revents = 0}};
    const timespec moment = to_timespec(at_most.value_or(nanoseconds{0}));
    say_awaiting(begun, std::memory_order_seq_cst);
    const int ready =
        somebody_waits() ? -1 : ::ppoll(either, std::size(either), at_most ? &moment : nullptr, nullptr);
    say_awaiting(TimePoint{}, std::memory_order_relaxed);
    if (ready == 0) return Came::nothing;
    return ready > 0 && either[0].revents != 0 ? Came::client : Came::message;
}

/// Where the worker itself has to wait.
std::optional<Connection::Peeked> Connection::peek_within_limit(std::span<std::byte> buffer,
                                                                std::size_t beyond) {
    const Limit limit = parking_.limit;
    const TimePoint begun = Clock::now();
    const TimePoint deadline = deadline_from(begun, limit);
    // UNIX sockets know no SO_RCVLOWAT: with half a head they are always readable.
    const bool knows_no_low_water = beyond > 0 && local_address().family() == AF_UNIX;
    const bool hurry = limit == Limit::idle && is_let_go();
    next_look_ = {};
    int flags = knows_no_low_water || hurry ? MSG_DONTWAIT : flags_of_first(begun, deadline);
    bool waited = flags == 0;
    bool over = false;
    for (bool gives_up = gave_up_;; waited = true) {
        const auto peeked = look(buffer, beyond, std::exchange(flags, MSG_DONTWAIT));
        gave_up_ = !peeked && gives_up;
        if (peeked || gave_up_) return peeked;
        if (over) failure_.time_out(limit, "the client sent nothing within the limit");
        const TimePoint now = Clock::now();
        over = now >= deadline;
        gives_up = (waited || hurry) && others_need_worker(limit);
        if (over || gives_up) continue;  // But not without one more look.
        if (server_.note != nullptr) server_.note->begun_ns.store(0, std::memory_order_relaxed);
        const nanoseconds span = limit == Limit::idle ? next_look(deadline - now) : deadline - now;
        if (knows_no_low_water)
            wait_for_byte(beyond, span);
        else
            wait_for(POLLIN, span);
    }
}

/// Nothing: no more than `beyond` is there, and more may come.
std::optional<Connection::Peeked> Connection::look(std::span<std::byte> buffer, std::size_t beyond,
                                                   int flags) {
    const auto size = receive(buffer, MSG_PEEK | flags);
    expected_ = size.value_or(0);
    if (!size) return {};
    if (*size == 0 || *size > beyond) return Peeked{*size, *size == 0};
    if (client_has_ended()) return Peeked{*size, true};
    return {};
}

/// Of a UNIX socket: until the byte behind so many, or the end, has come.
void Connection::wait_for_byte(std::size_t offset, nanoseconds at_most) noexcept {
    const PeekFrom there{fd(), offset, at_most};
    std::byte byte;
    static_cast<void>(::recv(fd(), &byte, 1, MSG_PEEK));
}

/// Of the client alone. False: nothing came, or a signal.
bool Connection::wait_for(short events, nanoseconds at_most) const noexcept {
    pollfd client{.fd = fd(), .events = events, .revents = 0};
    const timespec span = to_timespec(at_most);
    return ::ppoll(&client, 1, &span, nullptr) > 0;
}

/// How long to wait for the client before the server is to be looked at again: between two requests, and
/// before the first, a stop or a lack of workers changes what is waited for. At first soon, then seldom, so
/// that silent clients hardly wake their worker.
nanoseconds Connection::next_look(nanoseconds left) noexcept {
    constexpr milliseconds later{1000};
    if (server_.draining == nullptr && server_.spare == nullptr) return left;
    next_look_ = next_look_.count() == 0 ? ListenOptions{}.slice : later;
    if (server_.is_stopping()) next_look_ = ListenOptions{}.slice;
    return std::min<nanoseconds>(left, next_look_);
}

/// Between two requests a client is let go once no more will be answered; who has had none answered yet, only
/// at a stop, after a while.
bool Connection::is_let_go() noexcept {
    return draining() && (touched_ || stop_patience_.is_over(server_));
}

/// More than this client, which has no request under way. One that has got nothing yet keeps its place.
bool Connection::others_need_worker(Limit limit) noexcept {
    const bool only_by_closing = !server_.parks && touched_;
    return limit == Limit::idle && (is_let_go() || (only_by_closing && pool_has_no_spare()));
}

TimePoint Connection::deadline_from(TimePoint begin, Limit limit) const noexcept {
    if (parking_.deadline_ns != 0) return TimePoint{nanoseconds{parking_.deadline_ns}};
    switch (limit) {
        case Limit::idle: return begin + limits_.idle;
        case Limit::header: return begin + limits_.header;
        case Limit::body: return begin + limits_.body;
        case Limit::write: return begin + limits_.write;
        case Limit::none:
        case Limit::read: break;
    }
    return begin + limits_.read;
}

void Connection::wait_at_most(Patience patience, std::size_t input_at_least) noexcept {
    want_input(input_at_least);
    parking_.limit = patience.limit;
    set_deadline(patience.until.value_or(TimePoint{}));
}

void Connection::set_deadline(TimePoint deadline) noexcept {
    parking_.deadline_ns = static_cast<std::uint64_t>(deadline.time_since_epoch().count());
}

bool Connection::wait_here(Await what) {
    if (gave_up_) return false;
    const short events = what == Await::input ? POLLIN : POLLOUT;
    const Limit limit = what == Await::input ? parking_.limit : Limit::write;
    TimePoint now = Clock::now();
    const TimePoint deadline = deadline_from(now, limit);
    if (server_.note != nullptr) server_.note->begun_ns.store(0, std::memory_order_relaxed);
    next_look_ = {};
    for (;; now = Clock::now()) {
        const bool over = now >= deadline;
        const nanoseconds left = over ? nanoseconds{0} : deadline - now;
        if (wait_for(events, limit == Limit::idle ? next_look(left) : left)) return true;
        if (over) failure_.time_out(limit, "the client kept the server waiting for longer than the limit");
        gave_up_ = others_need_worker(limit) && !wait_for(events, nanoseconds{0});
        if (gave_up_) return false;
    }
}

/// SO_RCVLOWAT stays with the socket, wherever it goes.
void Connection::want_input(std::size_t at_least) noexcept {
    if (parking_.input_at_least == at_least) return;
    const int value = static_cast<int>(at_least);
    ::setsockopt(fd(), SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value);
    parking_.input_at_least = static_cast<std::uint32_t>(at_least);
}

bool Connection::client_has_ended() const noexcept {
    return wait_for(POLLRDHUP, nanoseconds{0});
}

void Connection::take(std::span<std::byte> peeked) {
    expected_ -= std::min(expected_, peeked.size());
    while (!peeked.empty()) {
        const TransferStep step = receive_step(fd(), peeked, 0);
        if (step.outcome == TransferStep::Outcome::interrupted) continue;
        if (step.outcome == TransferStep::Outcome::ended) failure_.fail(ECONNRESET, "read from the client");
        if (step.bytes == 0) failure_.fail(step.error, "read from the client");
        peeked = peeked.subspan(step.bytes);
    }
}

void Connection::write_all(std::span<const std::byte> bytes) {
    send_bytes(bytes, 0, false);
}

void Connection::write_before_more(std::string_view head) {
    send_bytes(std::as_bytes(std::span{head}), MSG_MORE, false);
}

void Connection::write_last(std::string_view bytes) {
    write_before_more(bytes);
    shutdown_write();
}

std::size_t Connection::write_some(std::string_view bytes, bool more) {
    return send_bytes(std::as_bytes(std::span{bytes}), more ? MSG_MORE : 0, server_.parks);
}

void Connection::send_file(int file, off_t offset, std::size_t count) {
    send_file_part(file, offset, count, false);
}

std::size_t Connection::send_file_some(int file, off_t offset, std::size_t count) {
    return send_file_part(file, offset, count, server_.parks);
}

std::size_t Connection::send_bytes(std::span<const std::byte> bytes, int flags, bool in_part) {
    more_follows_ = (flags & MSG_MORE) != 0;
    return send(OutgoingBytes{bytes, flags}, in_part);
}

std::size_t Connection::send_file_part(int file, off_t offset, std::size_t count, bool in_part) {
    const NonblockingWhile in_here{fd()};
    const std::size_t sent = send(OutgoingFile{file, offset, count}, in_part);
    if (sent > 0) more_follows_ = false;
    return sent;
}

/// Returns how much has left: all, unless `in_part`. What the socket takes at once needs no clock; a call
/// that moved fewer bytes than were left has filled it.
template <typename Outgoing>
std::size_t Connection::send(Outgoing rest, bool in_part) {
    const std::size_t all = rest.left();
    WriteProgress progress{limits_};
    std::size_t written = 0;
    while (rest.left() > 0) {
        const TransferStep step = send_step(rest, fd(), failure_);
        if (step.outcome == TransferStep::Outcome::interrupted) continue;
        touched_ = touched_ || step.bytes > 0;
        written += step.bytes;
        if (rest.left() == 0) break;
        if (!in_part)
            until_writable(progress, std::exchange(written, 0));
        else if (!room_comes_soon())
            break;
    }
    return all - rest.left();
}

/// `written`: since it was last called. Throws TimedOut.
void Connection::until_writable(WriteProgress& progress, std::size_t written) {
    for (;;) {
        const TimePoint deadline = progress.deadline_after(fd(), std::exchange(written, 0));
        const nanoseconds left = deadline - Clock::now();
        const bool over = left.count() <= 0;
        constexpr useconds_t nap_us = 1000;
        if (progress.is_stuck()) ::usleep(nap_us);
        const bool writable = wait_for(POLLOUT, over ? nanoseconds{0} : left);
        if (over && (!writable || progress.is_stuck())) failure_.time_out(Limit::write, takes_too_slowly);
        if (writable) return progress.go_on();
    }
}

/// Waits for it a moment, if no client waits for this worker and the master wants nothing of it.
bool Connection::room_comes_soon() noexcept {
    constexpr milliseconds moment{4};
    return !somebody_waits() && wait_a_moment(POLLOUT, Clock::now(), moment) == Came::client;
}

bool Connection::is_writable() const noexcept {
    return wait_for(POLLOUT, nanoseconds{0});
}

void Connection::begin_request(std::string_view line) noexcept {
    if (server_.note == nullptr) return;
    server_.note->begun_ns.store(monotonic_ns(), std::memory_order_relaxed);
    server_.note->write(line);
}

void Connection::cork(bool on) noexcept {
    const int value = on ? 1 : 0;
    ::setsockopt(fd(), IPPROTO_TCP, TCP_CORK, &value, sizeof value);
    is_corked_ = on;
    if (!on) more_follows_ = false;
}

void Connection::uncork() noexcept {
    if (is_corked_ || more_follows_) cork(false);
}

void Connection::shutdown_write() noexcept {
    ::shutdown(fd(), SHUT_WR);
    more_follows_ = false;
}

void Connection::linger(milliseconds patience) noexcept {
    shutdown_write();
    const auto deadline = Clock::now() + patience;
    std::array<std::byte, 16384> scrap;
    for (;;) {
        const nanoseconds left = deadline - Clock::now();
        if (left.count() <= 0) return;
        if (!wait_for(POLLIN, left)) continue;
        const TransferStep step = receive_step(fd(), scrap, MSG_DONTWAIT);
        if (step.outcome != TransferStep::Outcome::moved) return;
    }
}

bool Connection::discard_input() noexcept {
    std::array<std::byte, 16384> scrap;
    constexpr int at_most = 64;  // Whoever sends faster than we throw away is cut off.
    for (int i = 0; i < at_most; ++i) {
        const TransferStep step = receive_step(fd(), scrap, MSG_DONTWAIT);
        if (step.outcome == TransferStep::Outcome::interrupted) continue;
        if (step.outcome != TransferStep::Outcome::moved)
            return step.outcome == TransferStep::Outcome::would_block;
    }
    return false;
}

Address Connection::peer_address() const noexcept {
    return Address::of_peer(fd());
}

Address Connection::local_address() const noexcept {
    return Address::of_socket(fd());
}

std::optional<ucred> Connection::peer_credentials() const noexcept {
    if (local_address().family() != AF_UNIX) return {};
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return {};
    return credentials;
}

bool Connection::somebody_waits() const noexcept {
    return server_.wanted != nullptr && server_.wanted->load(std::memory_order_seq_cst) != 0;
}

bool Connection::pool_has_no_spare() const noexcept {
    return server_.spare != nullptr && server_.spare->load(std::memory_order_relaxed) == 0;
}

}  // namespace bullpen
