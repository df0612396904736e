#include "core/datagram_batch.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/datagram_metrics.hpp"

namespace bullpen {
namespace {

constexpr std::size_t outgoing_max = 2 * DatagramBatch::bytes_max;

template <typename SocketAddress>
Address address_of(const SocketAddress& address) noexcept {
    return Address{reinterpret_cast<const sockaddr*>(&address), sizeof address}.with_type(SOCK_DGRAM);
}

Address address_of(const in_pktinfo& came, std::uint16_t port) noexcept {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr = came.ipi_addr;
    return address_of(address);
}

Address address_of(const in6_pktinfo& came, std::uint16_t port) noexcept {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_addr = came.ipi6_addr;
    if (IN6_IS_ADDR_LINKLOCAL(&came.ipi6_addr)) address.sin6_scope_id = came.ipi6_ifindex;
    return address_of(address);
}

template <typename PacketInfo>
PacketInfo info_of(const cmsghdr& message) noexcept {
    PacketInfo info;
    std::memcpy(&info, CMSG_DATA(&message), sizeof info);
    return info;
}

/// The route decides by which interface an answer leaves. ipi_spec_dst is the address to send from; of a
/// datagram that came before tell_destinations() the kernel has noted none. Returns whether it came to an
/// address of this machine alone.
bool prepare_answer(msghdr& message) noexcept {
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
        if (one->cmsg_level == IPPROTO_IPV6 && one->cmsg_type == IPV6_PKTINFO) {
            const auto came = info_of<in6_pktinfo>(*one);
            return !IN6_IS_ADDR_MULTICAST(&came.ipi6_addr);
        }
        if (one->cmsg_level != IPPROTO_IP || one->cmsg_type != IP_PKTINFO) continue;
        auto came = info_of<in_pktinfo>(*one);
        const bool alone = came.ipi_spec_dst.s_addr == came.ipi_addr.s_addr;
        came.ipi_ifindex = 0;
        if (came.ipi_spec_dst.s_addr == INADDR_ANY) came.ipi_spec_dst = came.ipi_addr;
        std::memcpy(CMSG_DATA(one), &came, sizeof came);
        return alone;
    }
    return false;
}

}  // namespace

void tell_destinations(int socket) noexcept {
    constexpr int on = 1;
    ::setsockopt(socket, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    ::setsockopt(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
}

DatagramBatch::DatagramBatch()
    : incoming_{std::make_unique_for_overwrite<std::byte[]>(most * bytes_max)}, outgoing_(outgoing_max) {}

/// A UNIX datagram may bring descriptors, which the kernel closes where there is no room for them.
void DatagramBatch::prepare(std::size_t index) noexcept {
    Received& received = received_[index];
    received.answered = received.refused = false;
    pieces_[index] = {.iov_base = incoming_.get() + index * bytes_max, .iov_len = bytes_max};
    msghdr& message = messages_[index].msg_hdr;
    message = {};
    message.msg_name = &received.sender;
    message.msg_namelen = sizeof received.sender;
    message.msg_iov = &pieces_[index];
    message.msg_iovlen = 1;
    if (listener_->address().family() == AF_UNIX) return;
    message.msg_control = received.came_to.data();
    message.msg_controllen = received.came_to.size();
}

std::size_t DatagramBatch::receive(const Listener& from, std::size_t limit, Wait wait,
                                   const Address* peer) noexcept {
    listener_ = &from;
    peer_ = peer;
    limit = std::min(limit, most);
    for (std::size_t i = 0; i < limit; ++i)
        prepare(i);
    const int how = wait == Wait::never ? MSG_DONTWAIT : MSG_WAITFORONE;
    const int count = ::recvmmsg(from.fd(), messages_.data(), static_cast<unsigned>(limit), how, nullptr);
    if (count <= 0) return 0;  // An error that isn't EAGAIN or EINTR is one of an earlier answer (udp(7)).
    const auto received = static_cast<std::size_t>(count);
    for (std::size_t i = 0; i < received; ++i) {
        received_[i].came_to_us_alone = prepare_answer(messages_[i].msg_hdr);
        if (is_truncated(i)) count_truncated_datagram();
    }
    return received;
}

std::span<const std::byte> DatagramBatch::bytes(std::size_t index) const noexcept {
    return {incoming_.get() + index * bytes_max, std::min<std::size_t>(messages_[index].msg_len, bytes_max)};
}

bool DatagramBatch::is_truncated(std::size_t index) const noexcept {
    return (messages_[index].msg_hdr.msg_flags & MSG_TRUNC) != 0;
}

std::optional<IpAddress> DatagramBatch::source(std::size_t index) const noexcept {
    const msghdr& message = messages_[index].msg_hdr;
    return IpAddress::of(static_cast<const sockaddr*>(message.msg_name), message.msg_namelen);
}

Address DatagramBatch::sender(std::size_t index) const noexcept {
    const msghdr& message = messages_[index].msg_hdr;
    constexpr sockaddr nameless{.sa_family = AF_UNIX, .sa_data = {}};
    const bool named = can_be_answered(index);
    return Address{named ? static_cast<const sockaddr*>(message.msg_name) : &nameless,
                   named ? message.msg_namelen : static_cast<socklen_t>(sizeof nameless.sa_family)}
        .with_type(SOCK_DGRAM);
}

Address DatagramBatch::came_to(std::size_t index) const noexcept {
    msghdr message = messages_[index].msg_hdr;
    const std::uint16_t port = listener_->address().port();
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
        if (one->cmsg_level == IPPROTO_IP && one->cmsg_type == IP_PKTINFO)
            return address_of(info_of<in_pktinfo>(*one), port);
        if (one->cmsg_level == IPPROTO_IPV6 && one->cmsg_type == IPV6_PKTINFO)
            return address_of(info_of<in6_pktinfo>(*one), port);
    }
    return listener_->address();
}

/// Others' may be in it that came before it was connected.
bool DatagramBatch::is_of_peer(std::size_t index) const noexcept {
    const msghdr& message = messages_[index].msg_hdr;
    return peer_ != nullptr && message.msg_namelen == peer_->size() &&
           std::memcmp(message.msg_name, peer_->data(), peer_->size()) == 0;
}

bool DatagramBatch::can_be_answered(std::size_t index) const noexcept {
    return messages_[index].msg_hdr.msg_namelen > sizeof(sa_family_t);
}

bool DatagramBatch::answer(std::size_t index, std::span<const std::byte> bytes) noexcept {
    if (!can_be_answered(index) || bytes.size() > bytes_max) return false;
    if (waiting_ == most || outgoing_size_ + bytes.size() > outgoing_.size()) send_answers();
    std::copy(bytes.begin(), bytes.end(), outgoing_.begin() + static_cast<std::ptrdiff_t>(outgoing_size_));
    answers_[waiting_++] = {.to = index, .offset = outgoing_size_, .size = bytes.size()};
    outgoing_size_ += bytes.size();
    received_[index].answered = true;
    return true;
}

void DatagramBatch::send_answers() noexcept {
    std::array<iovec, most> pieces{};
    std::array<mmsghdr, most> messages{};
    for (std::size_t i = 0; i < waiting_; ++i) {
        const Answer& answer = answers_[i];
        pieces[i] = {.iov_base = outgoing_.data() + answer.offset, .iov_len = answer.size};
        msghdr& message = messages[i].msg_hdr;
        message = messages_[answer.to].msg_hdr;
        message.msg_iov = &pieces[i];
        message.msg_flags = 0;
        if (message.msg_controllen == 0) message.msg_control = nullptr;
        if (!is_of_peer(answer.to)) continue;
        message.msg_name = nullptr;  // The kernel has the route at hand then.
        message.msg_namelen = 0;
    }
    bool was_told = false;
    for (std::size_t done = 0; done < waiting_;) {
        const int sent = ::sendmmsg(listener_->fd(), messages.data() + done,
                                    static_cast<unsigned>(waiting_ - done), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && peer_ != nullptr && !std::exchange(was_told, true)) continue;
        was_told = false;
        if (sent > 0) count_sent_datagrams(static_cast<std::size_t>(sent));
        if (sent <= 0) count_unsent_datagram();  // The error is the first one's.
        done += sent > 0 ? static_cast<std::size_t>(sent) : 1;
    }
    waiting_ = outgoing_size_ = 0;
}

DatagramFate DatagramBatch::fate(std::size_t index) const noexcept {
    const Received& received = received_[index];
    return received.answered  ? DatagramFate::answered
           : received.refused ? DatagramFate::refused
                              : DatagramFate::discarded;
}

std::span<const std::byte> Datagram::bytes() const noexcept {
    return batch_.bytes(index_);
}

std::string_view Datagram::text() const noexcept {
    return {reinterpret_cast<const char*>(bytes().data()), bytes().size()};
}

bool Datagram::is_truncated() const noexcept {
    return batch_.is_truncated(index_);
}

Address Datagram::sender() const noexcept {
    return batch_.sender(index_);
}

Address Datagram::came_to() const noexcept {
    return batch_.came_to(index_);
}

bool Datagram::can_be_answered() const noexcept {
    return batch_.can_be_answered(index_);
}

bool Datagram::answer(std::span<const std::byte> bytes) noexcept {
    return batch_.answer(index_, bytes);
}

bool Datagram::answer(std::string_view text) noexcept {
    return answer(std::as_bytes(std::span{text}));
}

void Datagram::refuse() noexcept {
    batch_.refuse(index_);
}

}  // namespace bullpen
