#include "servers/bench/compare/full_buffer.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include <bullpen/address.hpp>
#include <bullpen/unique_fd.hpp>

namespace bullpen {
namespace {

void must(bool done, const char* what) {
    if (!done) throw std::system_error{errno, std::generic_category(), what};
}

/// Two ends, of which one sends.
struct Ends {
    UniqueFd sender;
    UniqueFd receiver;
};

UniqueFd new_socket(int family, int type, int buffer_bytes) {
    UniqueFd fd{::socket(family, type | SOCK_CLOEXEC, 0)};
    must(bool{fd}, "cannot create a socket");
    for (const int which : {SO_SNDBUF, SO_RCVBUF})
        must(::setsockopt(fd.get(), SOL_SOCKET, which, &buffer_bytes, sizeof buffer_bytes) == 0,
             "cannot set a socket's buffer");
    return fd;
}

/// A port or a name that the kernel chooses.
void bind_anywhere(int fd, int family) {
    if (family == AF_UNIX) {
        sockaddr nameless{};
        nameless.sa_family = AF_UNIX;
        must(::bind(fd, &nameless, sizeof nameless.sa_family) == 0, "cannot name a socket");
        return;
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
         "cannot bind a socket");
}

Ends make_ends(int family, int type, int buffer_bytes) {
    Ends ends{new_socket(family, type, buffer_bytes), new_socket(family, type, buffer_bytes)};
    bind_anywhere(ends.receiver.get(), family);
    if (type == SOCK_STREAM) must(::listen(ends.receiver.get(), 1) == 0, "cannot listen");
    const Address address = Address::of_socket(ends.receiver.get());
    must(::connect(ends.sender.get(), address.data(), address.size()) == 0, "cannot connect");
    if (type != SOCK_STREAM) return ends;
    UniqueFd accepted{::accept4(ends.receiver.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    must(bool{accepted}, "cannot accept");
    return {std::move(ends.sender), std::move(accepted)};
}

constexpr std::array<char, 3> first_message{};
constexpr std::array<char, 5> second_message{};

/// Bytes of the first read, once both messages are there.
std::int64_t read_two_messages(const Ends& ends, int type) {
    must(::send(ends.sender.get(), first_message.data(), first_message.size(), 0) > 0 &&
             ::send(ends.sender.get(), second_message.data(), second_message.size(), 0) > 0,
         "cannot send");
    std::array<char, first_message.size() + second_message.size()> room{};
    const bool stream = type == SOCK_STREAM;
    if (stream) ::recv(ends.receiver.get(), room.data(), room.size(), MSG_PEEK | MSG_WAITALL);
    const ssize_t first = ::recv(ends.receiver.get(), room.data(), room.size(), 0);
    must(first > 0, "cannot receive");
    if (!stream) must(::recv(ends.receiver.get(), room.data(), room.size(), 0) > 0, "cannot receive");
    return first;
}

/// The bytes that the kernel took of the message; nothing if it had no room for it.
std::int64_t send_message(const Ends& ends, const FullBufferOptions& options, int flags) {
    const std::vector<char> message(static_cast<std::size_t>(options.message_bytes));
    const ssize_t sent = ::send(ends.sender.get(), message.data(), message.size(), flags | MSG_NOSIGNAL);
    must(sent >= 0 || errno == EAGAIN, "cannot send");
    return std::max<ssize_t>(sent, 0);
}

/// First without waiting, then, as one who may wait, until that is held. Returns the bytes that were sent.
std::int64_t fill(const Ends& ends, const FullBufferOptions& options, FullBuffer& found) {
    const std::int64_t patience_us = std::chrono::microseconds{options.send_timeout}.count();
    const timeval timeout{.tv_sec = patience_us / 1'000'000, .tv_usec = patience_us % 1'000'000};
    must(::setsockopt(ends.sender.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0,
         "cannot set a socket's time-out");
    std::int64_t bytes = 0;
    for (std::int64_t i = 0; i < options.messages && !found.waits; ++i) {
        const std::int64_t sent = send_message(ends, options, found.would_block ? 0 : MSG_DONTWAIT);
        bytes += sent;
        if (sent > 0) continue;
        found.waits = found.would_block;
        found.would_block = true;
    }
    return bytes;
}

void drain_stream(const Ends& ends, std::int64_t bytes, FullBuffer& found, std::int64_t message_bytes) {
    std::array<char, 65536> room{};
    std::int64_t read = 0;
    while (read < bytes) {
        const ssize_t size = ::recv(ends.receiver.get(), room.data(), room.size(), 0);
        must(size > 0, "cannot receive");
        read += size;
    }
    found.received = (read + message_bytes - 1) / message_bytes;
}

std::int64_t overflow_of(msghdr& message) noexcept {
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SO_RXQ_OVFL) continue;
        std::uint32_t dropped = 0;
        std::memcpy(&dropped, CMSG_DATA(part), sizeof dropped);
        return dropped;
    }
    return 0;
}

/// Reads what is there, and then one datagram more, without a byte, which says what was dropped before it.
void drain_datagrams(const Ends& ends, FullBuffer& found) {
    std::array<char, 65536> room{};
    std::array<char, 256> control{};
    while (::recv(ends.receiver.get(), room.data(), room.size(), MSG_DONTWAIT) > 0)
        ++found.received;
    must(::send(ends.sender.get(), nullptr, 0, 0) == 0, "cannot send");
    for (;;) {
        iovec where{.iov_base = room.data(), .iov_len = room.size()};
        msghdr message{};
        message.msg_iov = &where;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t size = ::recvmsg(ends.receiver.get(), &message, 0);
        must(size >= 0, "cannot receive");
        found.dropped = overflow_of(message);
        if (size == 0) return;
        ++found.received;
    }
}

FullBuffer try_one(const char* transport, int family, int type, const FullBufferOptions& options) {
    const Ends ends = make_ends(family, type, options.buffer_bytes);
    const int on = 1;
    must(::setsockopt(ends.receiver.get(), SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) == 0,
         "cannot ask for what is dropped");
    FullBuffer found{.transport = transport, .first_read = read_two_messages(ends, type)};
    const std::int64_t bytes = fill(ends, options, found);
    found.sent = (bytes + options.message_bytes - 1) / options.message_bytes;
    if (type == SOCK_STREAM)
        drain_stream(ends, bytes, found, options.message_bytes);
    else
        drain_datagrams(ends, found);
    return found;
}

}  // namespace

std::vector<FullBuffer> try_full_buffers(const FullBufferOptions& options) {
    return {try_one("tcp", AF_INET, SOCK_STREAM, options), try_one("udp", AF_INET, SOCK_DGRAM, options),
            try_one("unix", AF_UNIX, SOCK_STREAM, options),
            try_one("unixgram", AF_UNIX, SOCK_DGRAM, options)};
}

}  // namespace bullpen
