#include "core/message_sender.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstring>

#include <bullpen/address.hpp>

namespace bullpen {
namespace {

std::optional<ucred> sender_in(msghdr& header) noexcept {
    const cmsghdr* const control = CMSG_FIRSTHDR(&header);
    if (control == nullptr || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_CREDENTIALS)
        return {};
    ucred sender{};
    std::memcpy(&sender, CMSG_DATA(control), sizeof sender);
    constexpr uid_t overflow = 65534;  // With process 0: of a message that was sent before SO_PASSCRED.
    if (sender.pid == 0 && sender.uid == overflow) return {};
    return sender;
}

}  // namespace

void learn_senders(int socket) noexcept {
    if (Address::of_socket(socket).family() != AF_UNIX) return;
    constexpr int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
}

TransferStep receive_message_step(int socket, std::span<std::byte> buffer,
                                  ReceivedMessage& message) noexcept {
    iovec bytes{.iov_base = buffer.data(), .iov_len = buffer.size()};
    // No room for a descriptor beside the sender.
    alignas(cmsghdr) std::byte control[CMSG_SPACE(sizeof(ucred))];
    msghdr header{};
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t result = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const TransferStep step = step_after(result, errno);
    if (result < 0) return step;
    message.size = step.bytes;
    message.is_cut = (header.msg_flags & MSG_TRUNC) != 0;
    message.sender = sender_in(header);
    return step;
}

}  // namespace bullpen
