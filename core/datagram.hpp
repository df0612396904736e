/// A datagram that came to one of our sockets, and how it is answered.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include <bullpen/address.hpp>

namespace bullpen {

/// Has the room for one datagram after the other. A UNIX datagram's sender has no address unless he has bound
/// one, and can't be answered then.
class Datagram {
public:
    /// The longest that UDP over IPv4 has.
    static constexpr std::size_t bytes_max = 65'507;

    /// Takes the next one out of the socket (borrowed) without waiting. Returns false if there is none.
    [[nodiscard]] bool receive(int socket) noexcept;

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {bytes_.data(), size_}; }
    /// It was longer than bytes_max; the rest is gone (MSG_TRUNC).
    [[nodiscard]] bool is_truncated() const noexcept { return truncated_; }
    /// Who sent it; "unknown" without an address.
    [[nodiscard]] const Address& sender() const noexcept { return sender_; }

    /// The port that it came to; 0 for a UNIX socket's.
    [[nodiscard]] std::uint16_t own_port() const noexcept { return own_port_; }

    /// Sends one to the sender, from the address that he had sent his to (IP_PKTINFO, RFC 3542), without
    /// waiting. Returns false if it couldn't be sent: then it is lost, as any datagram may be.
    bool answer(std::span<const std::byte> bytes) const noexcept;

private:
    int socket_ = -1;
    std::array<std::byte, bytes_max> bytes_;
    std::size_t size_ = 0;
    bool truncated_ = false;
    Address sender_;
    std::uint16_t own_port_ = 0;
    alignas(cmsghdr) std::array<std::byte, 64> came_to_;  ///< Which of our addresses, as the kernel says it.
    std::size_t came_to_size_ = 0;
};

/// Called in a worker for each datagram.
using DatagramHandler = std::function<void(Datagram&)>;

/// Has the kernel say which of our addresses each datagram came to. Idempotent.
void tell_destinations(int socket) noexcept;

}  // namespace bullpen
