#include "core/datagram.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace bullpen {

void tell_destinations(int socket) noexcept {
    constexpr int on = 1;
    ::setsockopt(socket, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    ::setsockopt(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
}

bool Datagram::receive(int socket) noexcept {
    sockaddr_storage sender;
    iovec piece{.iov_base = bytes_.data(), .iov_len = bytes_.size()};
    msghdr message{};
    message.msg_name = &sender;
    message.msg_namelen = sizeof sender;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = came_to_.data();
    message.msg_controllen = came_to_.size();
    ssize_t size = -1;
    constexpr int most = 16;  // An error may be that of an earlier answer (udp(7)).
    for (int i = 0; i < most && size < 0; ++i) {
        size = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size < 0 && errno == EAGAIN) return false;
    }
    if (size < 0) return false;
    if (std::exchange(socket_, socket) != socket) own_port_ = Address::of_socket(socket).port();
    size_ = static_cast<std::size_t>(size);
    truncated_ = (message.msg_flags & MSG_TRUNC) != 0;
    sender_ = Address{reinterpret_cast<const sockaddr*>(&sender), message.msg_namelen}.with_type(SOCK_DGRAM);
    came_to_size_ = (message.msg_flags & MSG_CTRUNC) != 0 ? 0 : message.msg_controllen;
    return true;
}

bool Datagram::answer(std::span<const std::byte> bytes) const noexcept {
    if (sender_.family() == AF_UNSPEC || (sender_.family() == AF_UNIX && sender_.text() == "unixgram:"))
        return false;
    iovec piece{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
    msghdr message{};
    message.msg_name = const_cast<sockaddr*>(sender_.data());
    message.msg_namelen = sender_.size();
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    auto from = came_to_;
    message.msg_control = came_to_size_ > 0 ? from.data() : nullptr;
    message.msg_controllen = came_to_size_;
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
        if (one->cmsg_level != IPPROTO_IP || one->cmsg_type != IP_PKTINFO) continue;
        in_pktinfo came;
        std::memcpy(&came, CMSG_DATA(one), sizeof came);
        came.ipi_ifindex = 0;  // The route decides.
        came.ipi_spec_dst = came.ipi_addr;
        std::memcpy(CMSG_DATA(one), &came, sizeof came);
    }
    ssize_t sent = -1;
    do {
        sent = ::sendmsg(socket_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

}  // namespace bullpen
