#include "core/connection.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/sendfile.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "core/listener.hpp"
#include "core/write_progress.hpp"

namespace bullpen {

using std::chrono::milliseconds;

namespace {

std::uint32_t value_of(const std::atomic<std::uint32_t>* word) noexcept {
    return word == nullptr ? 0 : word->load(std::memory_order_relaxed);
}

/// For sendfile(2), which has no MSG_DONTWAIT. Nobody else has the socket meanwhile.
class NonblockingWhile {
public:
    explicit NonblockingWhile(int socket) noexcept : socket_{socket} {
        ::fcntl(socket_, F_SETFL, O_NONBLOCK);
    }
    ~NonblockingWhile() { ::fcntl(socket_, F_SETFL, 0); }
    NonblockingWhile(const NonblockingWhile&) = delete;
    NonblockingWhile& operator=(const NonblockingWhile&) = delete;

private:
    int socket_;
};

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

Connection::Connection(UniqueFd socket, ServerView server) noexcept
    : socket_{std::move(socket)}, server_{server} {}

void Connection::set_socket_timeouts(milliseconds slice) noexcept {
    const timeval value{.tv_sec = slice.count() / 1000, .tv_usec = (slice.count() % 1000) * 1000};
    for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO})
        ::setsockopt(fd(), SOL_SOCKET, option, &value, sizeof value);
}

std::size_t Connection::read_some(std::span<std::byte> buffer) {
    if (has_unread())
        return read_behind_unread(buffer, [this](std::span<std::byte> rest) { return read_some(rest); });
    want_input(1);
    std::optional<TimePoint> deadline;  // The clock is only asked once the client has kept us waiting.
    for (;;) {
        const ssize_t size = ::recv(fd(), buffer.data(), buffer.size(), 0);
        touch(size);
        if (size >= 0) return static_cast<std::size_t>(size);
        if (errno != EINTR && errno != EAGAIN) failure_.fail(errno, "read from the client");
        end_if_silent_at_stop();
        const auto now = Clock::now();
        if (!deadline) deadline = now + limits_.read - ListenOptions{}.slice;
        if (now >= *deadline) failure_.time_out(Limit::read, "the client sent nothing within the read limit");
    }
}

std::size_t Connection::read_before(std::span<std::byte> buffer, TimePoint deadline) {
    if (has_unread())
        return read_behind_unread(buffer,
                                  [&](std::span<std::byte> rest) { return read_before(rest, deadline); });
    want_input(1);
    while (Clock::now() < deadline) {
        const ssize_t size = ::recv(fd(), buffer.data(), buffer.size(), 0);
        touch(size);
        if (size >= 0) return static_cast<std::size_t>(size);
        if (errno != EINTR && errno != EAGAIN) failure_.fail(errno, "read from the client");
        end_if_silent_at_stop();
    }
    failure_.time_out(Limit::read, "the client hasn't sent the whole of it in time");
}

bool Connection::read_exactly(std::span<std::byte> buffer) {
    buffer = buffer.subspan(take_unread(buffer));
    want_input(1);
    TransferProgress progress{limits_.body, limits_.body_rate};
    while (!buffer.empty()) {
        const ssize_t size = ::recv(fd(), buffer.data(), buffer.size(), 0);
        touch(size);
        if (size == 0) return false;
        if (size < 0 && errno != EINTR && errno != EAGAIN) failure_.fail(errno, "read from the client");
        if (size < 0) end_if_silent_at_stop();
        const std::size_t got = size > 0 ? static_cast<std::size_t>(size) : 0;
        buffer = buffer.subspan(got);
        if (!buffer.empty() && progress.is_too_slow(got))
            failure_.time_out(Limit::body, "the client sends too slowly");
    }
    return true;
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
    // UNIX sockets don't know SO_RCVLOWAT: parked with half a head they would come back at once.
    const bool knows_no_low_water = beyond > 0 && local_address().family() == AF_UNIX;
    const bool waits_here = !server_.parks || knows_no_low_water;
    const bool overdue = patience.until && Clock::now() >= *patience.until;  // Else a drip would be no wait.
    const bool hurry = overdue || (waits_here ? patience.limit == Limit::idle && is_let_go() : !may_linger());
    TimePoint waiting_since{};
    for (;;) {
        const ssize_t size =
            ::recv(fd(), buffer.data(), buffer.size(), hurry ? MSG_PEEK | MSG_DONTWAIT : MSG_PEEK);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno != EAGAIN) failure_.fail(errno, "read from the client");
        touch(size);
        const std::size_t there = size > 0 ? static_cast<std::size_t>(size) : 0;
        if (!hurry && there > beyond) parking_.in_vain = 0;
        if (size == 0 || there > beyond) return Peeked{there, size == 0};
        if (there > 0 && client_has_ended()) return Peeked{there, true};
        if (overdue) failure_.time_out(patience.limit, "the client hasn't sent the whole of it in time");
        if (knows_no_low_water && wait_for_byte(beyond)) continue;
        if (waits_here && may_wait_on(waiting_since)) continue;
        if (!waits_here && !hurry) note_vain_wait();
        return {};
    }
}

bool Connection::may_linger() noexcept {
    if (draining() || somebody_waits()) return false;
    if (parking_.skips == 0) return true;
    --parking_.skips;
    return false;
}

void Connection::note_vain_wait() noexcept {
    constexpr std::uint8_t most = 5;
    parking_.in_vain = std::min<std::uint8_t>(static_cast<std::uint8_t>(parking_.in_vain + 1), most);
    parking_.skips = static_cast<std::uint8_t>((1U << parking_.in_vain) - 1);
}

/// Of a UNIX socket: whether the byte behind so many, or the end, has come within a slice.
bool Connection::wait_for_byte(std::size_t offset) noexcept {
    const auto peek_from = [this](int value) {
        ::setsockopt(fd(), SOL_SOCKET, SO_PEEK_OFF, &value, sizeof value);
    };
    constexpr int beginning = -1;
    std::byte byte;
    peek_from(static_cast<int>(offset));
    const bool came = ::recv(fd(), &byte, 1, MSG_PEEK) >= 0;
    peek_from(beginning);
    return came;
}

/// Between two requests a client is let go once no more will be answered; who has had none answered yet, only
/// at a stop, after a while.
bool Connection::is_let_go() noexcept {
    return draining() && (touched_ || stop_patience_.is_over(server_));
}

void Connection::end_if_silent_at_stop() {
    if (!touched_ && stop_patience_.is_over(server_))
        failure_.time_out(Limit::idle, "the server stops, and the client has sent nothing yet");
}

/// Called when a slice of waiting has brought nothing.
bool Connection::may_wait_on(TimePoint& waiting_since) {
    if (gave_up_ || (parking_.limit == Limit::idle &&
                     (is_let_go() || (others_go_first() && (touched_ || !draining()))))) {
        gave_up_ = true;
        return false;
    }
    const TimePoint now = Clock::now();
    if (waiting_since == TimePoint{}) {
        waiting_since = now - ListenOptions{}.slice;
        if (server_.note != nullptr) server_.note->begun_ns.store(0, std::memory_order_relaxed);
    }
    if (now >= deadline_from(waiting_since))
        failure_.time_out(parking_.limit, "the client sent nothing within the limit");
    return true;
}

TimePoint Connection::deadline_from(TimePoint begin) const noexcept {
    if (parking_.deadline_ns != 0) return TimePoint{std::chrono::nanoseconds{parking_.deadline_ns}};
    switch (parking_.limit) {
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
    parking_.deadline_ns =
        patience.until ? static_cast<std::uint64_t>(patience.until->time_since_epoch().count()) : 0;
}

bool Connection::wait_here(Await what) {
    TimePoint waiting_since{};
    while (!gave_up_) {
        const short events = what == Await::input ? POLLIN : POLLOUT;
        pollfd ready{.fd = fd(), .events = events, .revents = 0};
        const auto slice = static_cast<int>(ListenOptions{}.slice.count());
        if (::poll(&ready, 1, slice) > 0) return true;
        if (what == Await::output) parking_.limit = Limit::write;
        if (!may_wait_on(waiting_since)) break;
    }
    return false;
}

/// SO_RCVLOWAT stays with the socket, wherever it goes.
void Connection::want_input(std::size_t at_least) noexcept {
    if (parking_.input_at_least == at_least) return;
    const int value = static_cast<int>(at_least);
    ::setsockopt(fd(), SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value);
    parking_.input_at_least = static_cast<std::uint32_t>(at_least);
}

bool Connection::client_has_ended() const noexcept {
    pollfd ended{.fd = fd(), .events = POLLRDHUP, .revents = 0};
    return ::poll(&ended, 1, 0) > 0;
}

void Connection::take(std::span<std::byte> peeked) {
    while (!peeked.empty()) {
        const ssize_t size = ::recv(fd(), peeked.data(), peeked.size(), 0);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) failure_.fail(size < 0 ? errno : ECONNRESET, "read from the client");
        peeked = peeked.subspan(static_cast<std::size_t>(size));
    }
}

void Connection::write_all(std::span<const std::byte> bytes) {
    send_all(bytes, 0);
}

void Connection::write_before_more(std::string_view head) {
    send_all(std::as_bytes(std::span{head}), MSG_MORE);
}

void Connection::write_last(std::string_view bytes) {
    send_all(std::as_bytes(std::span{bytes}), MSG_MORE);
    shutdown_write();
}

std::size_t Connection::write_some(std::string_view bytes, bool more) {
    const int wait = server_.parks ? MSG_DONTWAIT : 0;
    return send_all(std::as_bytes(std::span{bytes}), (more ? MSG_MORE : 0) | wait, server_.parks);
}

/// Returns how much was written: all, unless `in_part`.
std::size_t Connection::send_all(std::span<const std::byte> bytes, int flags, bool in_part) {
    const std::size_t all = bytes.size();
    WriteProgress progress{limits_};
    while (!bytes.empty()) {
        const ssize_t size = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | flags);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno != EAGAIN) failure_.fail(errno, "write to the client");
        touch(size);
        const std::size_t sent = size > 0 ? static_cast<std::size_t>(size) : 0;
        bytes = bytes.subspan(sent);
        if (bytes.empty() || (in_part && !room_comes_soon())) break;
        if (in_part) continue;
        if (progress.is_too_slow(fd(), sent))
            failure_.time_out(Limit::write, "the client takes what it asked for too slowly");
    }
    return all - bytes.size();
}

void Connection::send_file(int file, off_t offset, std::size_t count) {
    WriteProgress progress{limits_};
    while (count > 0) {
        const std::size_t sent = send_file_part(file, offset, count);
        offset += static_cast<off_t>(sent);
        count -= sent;
        if (count > 0 && progress.is_too_slow(fd(), sent))
            failure_.time_out(Limit::write, "the client takes what it asked for too slowly");
    }
}

std::size_t Connection::send_file_some(int file, off_t offset, std::size_t count) {
    if (!server_.parks) {
        send_file(file, offset, count);
        return count;
    }
    const NonblockingWhile in_here{fd()};
    std::size_t sent = 0;
    do
        sent += send_file_part(file, offset + static_cast<off_t>(sent), count - sent);
    while (sent < count && room_comes_soon());
    return sent;
}

/// Waits for it a moment, if nobody waits for this worker.
bool Connection::room_comes_soon() const noexcept {
    if (somebody_waits()) return false;
    constexpr int moment_ms = 4;
    pollfd room{.fd = fd(), .events = POLLOUT, .revents = 0};
    return ::poll(&room, 1, moment_ms) > 0;
}

/// As much as the client takes within a slice.
std::size_t Connection::send_file_part(int file, off_t offset, std::size_t count) {
    for (;;) {
        const ssize_t size = ::sendfile(fd(), file, &offset, count);
        touch(size);
        if (size > 0) return static_cast<std::size_t>(size);
        if (size == 0) throw std::runtime_error{"the file became shorter while it was sent"};
        if (errno == EAGAIN) return 0;
        if (errno != EINTR) failure_.fail(errno, "send a file to the client");
    }
}

bool Connection::is_writable() const noexcept {
    pollfd room{.fd = fd(), .events = POLLOUT, .revents = 0};
    return ::poll(&room, 1, 0) > 0;
}

void Connection::begin_request(std::string_view line) noexcept {
    if (server_.note == nullptr) return;
    server_.note->begun_ns.store(monotonic_ns(), std::memory_order_relaxed);
    server_.note->write(line);
}

void Connection::cork(bool on) noexcept {
    const int value = on ? 1 : 0;
    ::setsockopt(fd(), IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

void Connection::shutdown_write() noexcept {
    ::shutdown(fd(), SHUT_WR);
}

void Connection::linger(milliseconds patience) noexcept {
    shutdown_write();
    const auto deadline = Clock::now() + patience;
    std::array<std::byte, 16384> scrap;
    for (;;) {
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
        if (left.count() <= 0) return;
        pollfd readable{.fd = fd(), .events = POLLIN, .revents = 0};
        const int ready = ::poll(&readable, 1, static_cast<int>(left.count()));
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0 || ::recv(fd(), scrap.data(), scrap.size(), MSG_DONTWAIT) <= 0) return;
    }
}

bool Connection::discard_input() noexcept {
    std::array<std::byte, 16384> scrap;
    constexpr int at_most = 64;  // Whoever sends faster than we throw away is cut off.
    for (int i = 0; i < at_most; ++i) {
        const ssize_t size = ::recv(fd(), scrap.data(), scrap.size(), MSG_DONTWAIT);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return size < 0 && errno == EAGAIN;
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

/// Where a worker can't be had back but by closing its connection.
bool Connection::others_go_first() const noexcept {
    return !server_.parks && pool_has_no_spare();
}

bool Connection::somebody_waits() const noexcept {
    return server_.wanted != nullptr && server_.wanted->load(std::memory_order_relaxed) != 0;
}

bool Connection::pool_has_no_spare() const noexcept {
    return server_.spare != nullptr && server_.spare->load(std::memory_order_relaxed) == 0;
}

}  // namespace bullpen
