#include <bullpen/detail/client_socket.hpp>

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstdint>

#include <bullpen/clock.hpp>
#include "core/message_sender.hpp"
#include "core/transfer_step.hpp"
#include "core/urgent_data.hpp"

namespace bullpen {
namespace {

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

bool wants_reset(int socket) noexcept {
    linger value{};
    socklen_t size = sizeof value;
    return ::getsockopt(socket, SOL_SOCKET, SO_LINGER, &value, &size) == 0 && value.l_onoff != 0 &&
           value.l_linger == 0;
}

}  // namespace

Closed end_connection(int socket, HandoffProgress& handoff, bool lent, bool output_ended) noexcept {
    if (!handoff) return Closed::in_order;
    handoff.touch();
    if (lent && wants_reset(socket)) return Closed::reset;
    if (!output_ended) ::shutdown(socket, SHUT_RDWR);
    return Closed::in_order;
}

void ClientSocket::set_timeouts(std::chrono::milliseconds slice) const noexcept {
    const timeval value{.tv_sec = slice.count() / 1000, .tv_usec = (slice.count() % 1000) * 1000};
    for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO})
        ::setsockopt(fd(), SOL_SOCKET, option, &value, sizeof value);
}

void ClientSocket::set_low_water(std::size_t bytes) const noexcept {
    const int value = static_cast<int>(bytes);
    ::setsockopt(fd(), SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value);
}

/// FIONBIO leaves the other flags of the open file alone, which stays with the connection wherever it goes.
void ClientSocket::set_nonblocking(bool on) noexcept {
    if (on == nonblocking_) return;
    int value = on ? 1 : 0;
    ::ioctl(fd(), FIONBIO, &value);
    nonblocking_ = on;
}

void ClientSocket::end_output() noexcept {
    ::shutdown(fd_to_touch(), SHUT_WR);
    output_ended_ = true;
}

Closed ClientSocket::close() noexcept {
    const bool ends = socket_ && !detached_;
    const Closed how = ends ? end_connection(fd(), handoff_, lent_, output_ended_) : Closed::in_order;
    socket_.reset();
    return how;
}

std::optional<std::size_t> ClientSocket::receive(std::span<std::byte> buffer, int flags) {
    return receive_by([&] { return step(buffer, flags); }, (flags & MSG_PEEK) == 0);
}

TransferStep ClientSocket::step(std::span<std::byte> buffer, int flags) const noexcept {
    return watches_urgent_data() ? receive_step(fd(), buffer, flags, out_of_band_)
                                 : receive_step(fd(), buffer, flags);
}

std::optional<ReceivedMessage> ClientSocket::receive_message(std::span<std::byte> buffer) {
    ReceivedMessage message;
    if (!receive_by([&] { return receive_message_step(fd(), buffer, message); }, true)) return {};
    return message;
}

template <typename Receive>
std::optional<std::size_t> ClientSocket::receive_by(Receive receive, bool takes) {
    const Progress before = handoff_.progress();
    if (takes) handoff_.touch();
    const TransferStep step = receive();
    switch (step.outcome) {
        case TransferStep::Outcome::moved: taken_ = taken_ || takes; [[fallthrough]];
        case TransferStep::Outcome::ended: exchanged_ = true; return step.bytes;
        case TransferStep::Outcome::would_block:
        case TransferStep::Outcome::interrupted:
            if (before != handoff_.progress()) handoff_.untouch(before, exchanged_);
            return {};
        case TransferStep::Outcome::failed: break;
    }
    failure_.fail(step.error, "read from the client");
}

void ClientSocket::learn_senders() const noexcept {
    bullpen::learn_senders(fd());
}

bool ClientSocket::wait_for(short events, std::chrono::nanoseconds at_most) const noexcept {
    pollfd client{.fd = fd(), .events = events, .revents = 0};
    const timespec span = to_timespec(at_most);
    return ::ppoll(&client, 1, &span, nullptr) > 0;
}

void ClientSocket::wait_for_byte(std::size_t offset, std::chrono::nanoseconds at_most) noexcept {
    const bool was_nonblocking = nonblocking_;
    set_nonblocking(false);
    const PeekFrom there{fd(), offset, at_most};
    std::byte byte;
    static_cast<void>(::recv(fd(), &byte, 1, MSG_PEEK));
    set_nonblocking(was_nonblocking);
}

std::size_t ClientSocket::bytes_there() const noexcept {
    int bytes = 0;
    return ::ioctl(fd(), SIOCINQ, &bytes) == 0 ? static_cast<std::size_t>(bytes) : 0;
}

short ClientSocket::poll_now(short events) const noexcept {
    pollfd client{.fd = fd(), .events = events, .revents = 0};
    return ::poll(&client, 1, 0) > 0 ? client.revents : short{0};
}

bool ClientSocket::has_ended() const noexcept {
    return poll_now(POLLRDHUP) != 0;
}

}  // namespace bullpen
