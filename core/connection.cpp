#include <bullpen/connection.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include "core/lingering.hpp"
#include "core/outgoing.hpp"
#include "core/peer_credentials.hpp"
#include "core/request_note.hpp"
#include "core/transfer_step.hpp"
#include "core/write_progress.hpp"

namespace bullpen {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {

/// For sendfile(2), which has no MSG_DONTWAIT. Nobody else has the socket meanwhile.
class NonblockingWhile {
public:
    explicit NonblockingWhile(ClientSocket& socket) noexcept
        : socket_{socket}, before_{socket.is_nonblocking()} {
        socket_.set_nonblocking(true);
    }
    ~NonblockingWhile() { socket_.set_nonblocking(before_); }
    NonblockingWhile(const NonblockingWhile&) = delete;
    NonblockingWhile& operator=(const NonblockingWhile&) = delete;

private:
    ClientSocket& socket_;
    bool before_;
};

}  // namespace

Connection::Connection(UniqueFd socket, ServerView server) noexcept
    : socket_{std::move(socket), server.handoff, server.out_of_band}, wait_{server} {}

void Connection::set_socket_timeouts(milliseconds slice) noexcept {
    wait_.set_slice(slice);
    socket_.set_timeouts(slice);
}

int Connection::nonblocking_fd() noexcept {
    socket_.set_nonblocking(true);
    return fd();
}

bool Connection::wait_readable(Patience patience) {
    const bool readable = wait_.until_readable(socket_, patience);
    if (readable) socket_.handoff().touch();
    return readable;
}

void Connection::wait_writable(Patience patience) {
    wait_.until_writable(socket_, patience);
    socket_.handoff().touch();
}

std::size_t Connection::read_some(std::span<std::byte> buffer) {
    if (has_unread())
        return read_behind_unread(buffer, [this](std::span<std::byte> rest) { return read_some(rest); });
    wait_.want_input(socket_, 1);
    if (const auto size = wait_.receive_until(socket_, buffer, Clock::now() + wait_.limits().read))
        return *size;
    socket_.failure().time_out(Limit::read, "the client sent nothing within the read limit");
}

std::size_t Connection::read_before(std::span<std::byte> buffer, TimePoint deadline, Limit counted_as) {
    if (has_unread())
        return read_behind_unread(
            buffer, [&](std::span<std::byte> rest) { return read_before(rest, deadline, counted_as); });
    wait_.want_input(socket_, 1);
    if (const auto size = wait_.receive_until(socket_, buffer, deadline)) return *size;
    socket_.failure().time_out(counted_as, ClientWait::incomplete);
}

bool Connection::read_exactly(std::span<std::byte> buffer) {
    buffer = buffer.subspan(take_unread(buffer));
    wait_.want_input(socket_, 1);
    TransferProgress progress{wait_.limits().body, wait_.limits().body_rate};
    std::size_t passed = 0;
    for (bool first = true; !buffer.empty(); first = false) {
        auto size = first ? socket_.receive(buffer, MSG_DONTWAIT) : std::nullopt;  // It may all be there.
        if (!size) {
            size = wait_.receive_until(socket_, buffer, progress.deadline_after(std::exchange(passed, 0)));
            if (!size) socket_.failure().time_out(Limit::body, "the client sends too slowly");
        }
        if (*size == 0) return false;
        passed += *size;
        buffer = buffer.subspan(*size);
    }
    return true;
}

std::optional<ReceivedMessage> Connection::read_message(std::span<std::byte> buffer) {
    if (has_unread()) throw std::logic_error{"read_message() after unread(): those bytes are no message"};
    if (!std::exchange(learns_senders_, true)) socket_.learn_senders();
    const TimePoint deadline = Clock::now() + wait_.limits().read;
    for (;;) {
        if (const auto message = socket_.receive_message(buffer)) {
            const bool has_ended = message->size == 0 && !message->sender;
            return has_ended ? std::nullopt : message;
        }
        wait_readable({Limit::read, deadline});
    }
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

std::optional<Peeked> Connection::peek(std::span<std::byte> buffer, Patience patience, std::size_t beyond) {
    wait_at_most(patience, beyond + 1);
    HandoffProgress& handoff = socket_.handoff();
    const bool at_boundary = patience.limit == Limit::idle && !has_unread() && !file_;
    if (at_boundary)
        handoff.keep({wait_.parking(), state_}, socket_.exchanged());
    else
        handoff.go_on_from({wait_.parking(), state_}, socket_.exchanged());
    const auto peeked = wait_.peek(socket_, buffer, beyond);
    if (at_boundary && peeked) handoff.begin(socket_.exchanged());
    return peeked;
}

void Connection::take(std::span<std::byte> peeked) {
    wait_.note_taken(peeked.size());
    socket_.set_taken();
    while (!peeked.empty()) {
        // A TCP socket drops them without copying (tcp(7), MSG_TRUNC); a UNIX socket copies the same bytes
        // again.
        socket_.handoff().touch();
        const TransferStep step = socket_.step(peeked, MSG_TRUNC);
        if (step.outcome == TransferStep::Outcome::interrupted) continue;
        if (step.outcome == TransferStep::Outcome::ended)
            socket_.failure().fail(ECONNRESET, "read from the client");
        if (step.bytes == 0) socket_.failure().fail(step.error, "read from the client");
        peeked =
            peeked.subspan(std::min(step.bytes, peeked.size()));  // Of a longer message its rest is gone.
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
    const std::size_t size = room_in_turn(bytes.size());
    return send_bytes(std::as_bytes(std::span{bytes}).first(size), more ? MSG_MORE : 0, can_be_parked());
}

void Connection::send_file(int file, off_t offset, std::size_t count) {
    send_file_part(file, offset, count, false);
}

std::size_t Connection::send_file_some(int file, off_t offset, std::size_t count) {
    return send_file_part(file, offset, room_in_turn(count), can_be_parked());
}

std::size_t Connection::room_in_turn(std::size_t bytes) noexcept {
    return wait_.server().takes_turns ? wait_.turn().room_for(bytes) : bytes;
}

std::size_t Connection::send_bytes(std::span<const std::byte> bytes, int flags, bool in_part) {
    more_follows_ = (flags & MSG_MORE) != 0;
    return send(OutgoingBytes{bytes, flags}, in_part);
}

std::size_t Connection::send_file_part(int file, off_t offset, std::size_t count, bool in_part) {
    const NonblockingWhile in_here{socket_};
    const std::size_t sent = send(OutgoingFile{file, offset, count}, in_part);
    if (sent > 0) more_follows_ = false;
    return sent;
}

/// Returns how much has left: all, unless `in_part`. What the socket takes at once needs no clock; a call
/// that moved fewer bytes than were left has filled it.
template <typename Outgoing>
std::size_t Connection::send(Outgoing rest, bool in_part) {
    const std::size_t all = rest.left();
    WriteProgress progress{wait_.limits()};
    std::size_t written = 0;
    while (rest.left() > 0) {
        const TransferStep step = send_step(rest, socket_.fd_to_touch(), socket_.failure());
        if (step.outcome == TransferStep::Outcome::interrupted) continue;
        if (step.bytes > 0) socket_.set_exchanged();
        written += step.bytes;
        if (rest.left() == 0) break;
        if (!in_part)
            wait_.until_writable(socket_, progress, std::exchange(written, 0));
        else if (!wait_.room_comes_soon(socket_))
            break;
    }
    wait_.turn().note_sent(all - rest.left());
    return all - rest.left();
}

bool Connection::is_writable() const noexcept {
    return socket_.wait_for(POLLOUT, nanoseconds{0});
}

void Connection::wait_at_most(Patience patience, std::size_t input_at_least) noexcept {
    wait_.wait_at_most(socket_, patience, input_at_least);
}

void Connection::begin_request(std::string_view line) noexcept {
    RequestNote* const note = wait_.server().note;
    if (note == nullptr) return;
    // The first request of a turn has begun with it.
    if (has_begun_request_) note->begun_ns.store(monotonic_ns(), std::memory_order_relaxed);
    has_begun_request_ = true;
    note->write(line);
}

void Connection::cork(bool on) noexcept {
    const int value = on ? 1 : 0;
    ::setsockopt(socket_.fd_to_touch(), IPPROTO_TCP, TCP_CORK, &value, sizeof value);
    is_corked_ = on;
    if (!on) more_follows_ = false;
}

void Connection::shutdown_write() noexcept {
    socket_.end_output();
    more_follows_ = false;
}

void Connection::linger() noexcept {
    shutdown_write();
    wait_.say_nothing_is_worked_on();
    wait_.want_input(socket_, 1);
    const TimePoint begun = Clock::now();
    TimePoint heard = begun;
    for (TimePoint now = begun, until{}; now < (until = linger_until(begun, heard, limits(), draining()));) {
        socket_.wait_for(POLLIN, until - now);
        const Discarded discarded = discard_input(socket_.fd_to_touch());
        if (discarded == Discarded::end) return;
        now = Clock::now();
        if (discarded == Discarded::some) heard = now;
    }
}

bool Connection::linger_a_turn(TimePoint begun) noexcept {
    constexpr int pieces_max = 16;  // Then it is another client's turn.
    wait_.want_input(socket_, 1);
    for (int i = 0; i < pieces_max; ++i) {
        const Discarded discarded = discard_input(socket_.fd_to_touch());
        if (discarded == Discarded::end) return false;
        if (discarded == Discarded::some) socket_.set_taken();
        if (discarded == Discarded::nothing && !wait_.input_comes_soon(socket_)) break;
    }
    const TimePoint now = Clock::now();
    const TimePoint until = linger_until(begun, now, limits(), draining());
    wait_at_most({Limit::none, until});
    return now < until;
}

Address Connection::peer_address() const noexcept {
    return Address::of_peer(socket_.fd());
}

Address Connection::local_address() const noexcept {
    return Address::of_socket(socket_.fd());
}

std::optional<ucred> Connection::peer_credentials() const noexcept {
    return peer_credentials_of(socket_.fd());
}

bool Connection::draining() const noexcept {
    return wait_.server().is_draining();
}

bool Connection::pool_has_no_spare() const noexcept {
    return wait_.server().pool_has_no_spare();
}

bool Connection::somebody_waits() const noexcept {
    return wait_.server().somebody_waits();
}

}  // namespace bullpen
