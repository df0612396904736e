/// Whose machine it is at the other end: an IPv4 or IPv6 address without a port.
#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <bullpen/export.hpp>

namespace bullpen {

/// A value of 16 bytes. An IPv4 address is kept IPv4-mapped, so that 1.2.3.4 and ::ffff:1.2.3.4 are equal.
/// Default-constructed it is "::". The scope of a link-local address is not part of it.
class BULLPEN_API IpAddress {
public:
    IpAddress() noexcept = default;

    /// From what accept(2) or getaddrinfo(3) filled in. Nothing for any other family (AF_UNIX).
    static std::optional<IpAddress> of(const sockaddr* address, socklen_t size) noexcept;

    /// Reads what text() prints (inet_pton(3)). Nothing if it is no address.
    static std::optional<IpAddress> parse(std::string_view text);

    [[nodiscard]] bool is_v4() const noexcept;

    /// 32 or 128: how long a prefix of this address can be.
    [[nodiscard]] int prefix_max() const noexcept { return is_v4() ? 32 : 128; }

    /// The network's address: only the first `prefix` bits (of 32 or 128) are kept, the others are 0.
    [[nodiscard]] IpAddress truncated(int prefix) const noexcept;

    /// "127.0.0.1", "::1"
    [[nodiscard]] std::string text() const;

    /// In network order.
    [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }

    auto operator<=>(const IpAddress&) const = default;

private:
    std::array<std::uint8_t, 16> bytes_{};
};

}  // namespace bullpen
