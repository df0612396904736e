/// What is being sent to a client: some bytes, or a part of a file.
///
/// Both have the same form, so that a blocking loop and a coroutine can send either:
///
///     while (rest.left() > 0) {
///         const TransferStep step = send_step(rest, socket, failure);
///         if (step.outcome == TransferStep::Outcome::would_block) ...wait until the client takes more
///     }
#pragma once

#include <netinet/in.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <stdexcept>

#include <bullpen/detail/connection_failure.hpp>
#include "core/transfer_step.hpp"

namespace bullpen {

class OutgoingBytes {
public:
    static constexpr const char* what = "write to the client";

    /// Borrows the bytes. `flags` of send(2), besides those that every call has.
    OutgoingBytes(std::span<const std::byte> bytes, int flags) noexcept : bytes_{bytes}, flags_{flags} {}

    [[nodiscard]] std::size_t left() const noexcept { return bytes_.size(); }

    /// Waits for nothing, whether the socket is blocking or not.
    TransferStep send_to(int socket) noexcept {
        ssize_t result = send_first(socket, bytes_.size());
        if (result < 0 && errno == EMSGSIZE && bytes_.size() > sctp_at_once && is_sctp(socket))
            result = send_first(socket, sctp_at_once);
        const TransferStep step = step_after(result, errno);
        bytes_ = bytes_.subspan(step.bytes);
        return step;
    }

private:
    /// SCTP takes no more at once than fits into the send buffer.
    static constexpr std::size_t sctp_at_once = 65'536;

    static bool is_sctp(int socket) noexcept {
        int protocol = 0;
        socklen_t size = sizeof protocol;
        return ::getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
               protocol == IPPROTO_SCTP;
    }

    ssize_t send_first(int socket, std::size_t count) noexcept {
        return ::send(socket, bytes_.data(), count, MSG_NOSIGNAL | MSG_DONTWAIT | flags_);
    }

    std::span<const std::byte> bytes_;
    int flags_;
};

class OutgoingFile {
public:
    static constexpr const char* what = "send a file to the client";

    /// Borrows the file, whose own offset stays.
    OutgoingFile(int file, off_t offset, std::size_t count) noexcept
        : file_{file}, offset_{offset}, left_{count} {}

    [[nodiscard]] std::size_t left() const noexcept { return left_; }

    /// To a non-blocking socket: sendfile(2) has no MSG_DONTWAIT.
    TransferStep send_to(int socket) noexcept {
        const ssize_t result = ::sendfile(socket, file_, &offset_, left_);
        const TransferStep step = step_after(result, errno);
        left_ -= step.bytes;
        return step;
    }

private:
    int file_;
    off_t offset_;
    std::size_t left_;
};

/// One call, of which something is left; its outcome is one of moved, would_block and interrupted. Throws
/// what ConnectionFailure::fail() does, and std::runtime_error if a file has become shorter.
template <typename Outgoing>
TransferStep send_step(Outgoing& rest, int socket, ConnectionFailure& failure) {
    const TransferStep step = rest.send_to(socket);
    if (step.outcome == TransferStep::Outcome::failed) failure.fail(step.error, Outgoing::what);
    if (step.outcome == TransferStep::Outcome::ended)
        throw std::runtime_error{"the file became shorter while it was sent"};
    return step;
}

}  // namespace bullpen
