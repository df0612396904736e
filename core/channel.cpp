#include "core/channel.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace bullpen {
namespace {

/// As many as a message can have (the kernel's SCM_MAX_FD), whatever we ask for: what finds no room is closed
/// by the kernel in our name, and that can wait, see discard().
constexpr std::size_t descriptors_possible = 253;

union ControlBuffer {
    cmsghdr align;
    std::array<char, CMSG_SPACE(descriptors_possible * sizeof(int))> bytes;
};

void close_at_once(UniqueFd& descriptor) noexcept {
    constexpr linger off{.l_onoff = 0, .l_linger = 0};
    if (descriptor) ::setsockopt(descriptor.get(), SOL_SOCKET, SO_LINGER, &off, sizeof off);
    descriptor.reset();
}

/// Takes ownership of everything the kernel has installed, before anything is judged: a descriptor that is
/// overlooked here is leaked. Returns how many there were.
std::size_t adopt_descriptors(msghdr& header, std::array<UniqueFd, messages_at_once>& owned) noexcept {
    std::size_t adopted = 0;
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            UniqueFd surplus{fd};
            if (adopted < owned.size())
                owned[adopted] = std::move(surplus);
            else
                close_at_once(surplus);
            ++adopted;
        }
    }
    return adopted;
}

/// Whether that is what one send can have sent.
bool is_possible(std::size_t bytes, std::size_t descriptors) noexcept {
    constexpr std::size_t of_one_message = 2;
    const std::size_t messages = bytes / sizeof(Message);
    if (messages == 0 || messages > messages_at_once || bytes % sizeof(Message) != 0) return false;
    return messages == 1 ? descriptors <= of_one_message : descriptors == messages;
}

}  // namespace

ChannelEnds make_channel() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot make a channel"};
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

Sent send_message(int channel, const Message& message, std::span<const int> descriptors) noexcept {
    return send_messages(channel, {&message, 1}, descriptors);
}

Sent send_messages(int channel, std::span<const Message> messages,
                   std::span<const int> descriptors) noexcept {
    return send_packet(channel, std::as_bytes(messages), descriptors);
}

Sent send_packet(int channel, std::span<const std::byte> bytes, std::span<const int> descriptors) noexcept {
    iovec payload{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr header{};
    header.msg_iov = &payload;
    header.msg_iovlen = 1;
    ControlBuffer control;
    if (!descriptors.empty()) {
        header.msg_control = control.bytes.data();
        header.msg_controllen = CMSG_LEN(descriptors.size_bytes());
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
    }
    for (;;) {
        if (::sendmsg(channel, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return Sent::sent;
        switch (errno) {
            case EINTR: continue;
            case EAGAIN:
            case ETOOMANYREFS:
            case ENOBUFS:
            case ENOMEM: return Sent::would_block;
            default: return Sent::closed;
        }
    }
}

Received receive_message(int channel, Envelope& envelope, Wait wait) noexcept {
    iovec payload{envelope.all.data(), sizeof envelope.all};
    ControlBuffer control;
    msghdr header{};
    const int flags = MSG_CMSG_CLOEXEC | (wait == Wait::never ? MSG_DONTWAIT : 0);
    for (;;) {
        header = {};
        header.msg_iov = &payload;
        header.msg_iovlen = 1;
        header.msg_control = control.bytes.data();
        header.msg_controllen = control.bytes.size();
        const ssize_t size = ::recvmsg(channel, &header, flags);
        if (size < 0) {
            if (errno == ECONNRESET) continue;  // Reported once; what is queued comes after it.
            if (errno == EINTR && wait == Wait::never) continue;
            if (errno == ENOMEM || errno == ENOBUFS) return Received::later;
            return errno == EAGAIN || errno == EINTR ? Received::empty : Received::closed;
        }
        const std::size_t descriptors = adopt_descriptors(header, envelope.descriptors);
        const bool complete = (header.msg_flags & MSG_CTRUNC) == 0;
        if (complete && size == 0 && header.msg_controllen == 0) return Received::closed;
        const bool whole = (header.msg_flags & MSG_TRUNC) == 0;
        envelope.count = static_cast<std::size_t>(size) / sizeof(Message);
        if (complete && whole && is_possible(static_cast<std::size_t>(size), descriptors))
            return Received::message;
        discard(envelope);
        return complete ? Received::malformed : Received::truncated;
    }
}

Received receive_packet(int channel, std::span<std::byte> bytes, Packet& packet) noexcept {
    iovec payload{bytes.data(), bytes.size()};
    ControlBuffer control;
    for (;;) {
        msghdr header{};
        header.msg_iov = &payload;
        header.msg_iovlen = 1;
        header.msg_control = control.bytes.data();
        header.msg_controllen = control.bytes.size();
        const ssize_t size = ::recvmsg(channel, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (size < 0) {
            if (errno == ECONNRESET || errno == EINTR) continue;
            if (errno == ENOMEM || errno == ENOBUFS) return Received::later;
            return errno == EAGAIN ? Received::empty : Received::closed;
        }
        (void)adopt_descriptors(header, packet.descriptors);
        packet.size = static_cast<std::size_t>(size);
        if (size == 0 && !packet.descriptors[0]) return Received::closed;
        return (header.msg_flags & MSG_CTRUNC) == 0 ? Received::message : Received::truncated;
    }
}

void discard(Envelope& envelope) noexcept {
    for (UniqueFd& descriptor : envelope.descriptors)
        close_at_once(descriptor);
}

}  // namespace bullpen
