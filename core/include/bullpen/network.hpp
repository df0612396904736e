/// A range of IP addresses as administrators write it: an address and the length of its prefix (CIDR).
#pragma once

#include <string>
#include <string_view>

#include <bullpen/export.hpp>
#include <bullpen/ip_address.hpp>

namespace bullpen {

/// IPv4 and IPv6 are worlds apart: ::/0 is all of IPv6 and nothing of IPv4.
class BULLPEN_API Network {
public:
    /// Reads "10.0.0.0/8", "2001:db8::/32" or a single address. Throws std::invalid_argument: one sentence
    /// that quotes the text and says what is allowed, or what was probably meant when bits beyond the prefix
    /// are set.
    static Network parse(std::string_view text);

    [[nodiscard]] bool contains(const IpAddress& address) const noexcept;

    [[nodiscard]] const IpAddress& address() const noexcept { return address_; }
    [[nodiscard]] int prefix() const noexcept { return prefix_; }

    /// "10.0.0.0/8", "::1/128"
    [[nodiscard]] std::string text() const;

private:
    Network(const IpAddress& address, int prefix) noexcept : address_{address}, prefix_{prefix} {}

    IpAddress address_;
    int prefix_;
};

}  // namespace bullpen
