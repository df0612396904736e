#include <bullpen/ip_address.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace bullpen {
namespace {

constexpr std::size_t v4_offset = 12;  // Of the IPv4 address in ::ffff:a.b.c.d.
constexpr std::array<std::uint8_t, v4_offset> v4_mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

std::optional<IpAddress> IpAddress::of(const sockaddr* address, socklen_t size) noexcept {
    IpAddress ip;
    if (size >= sizeof(sockaddr_in) && address->sa_family == AF_INET) {
        std::copy(v4_mapped.begin(), v4_mapped.end(), ip.bytes_.begin());
        std::memcpy(ip.bytes_.data() + v4_offset, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr,
                    sizeof(in_addr));
        return ip;
    }
    if (size >= sizeof(sockaddr_in6) && address->sa_family == AF_INET6) {
        std::memcpy(ip.bytes_.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr,
                    sizeof(in6_addr));
        return ip;
    }
    return {};
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) return {};
    const std::string terminated{text};
    IpAddress ip;
    if (::inet_pton(AF_INET6, terminated.c_str(), ip.bytes_.data()) == 1) return ip;
    std::copy(v4_mapped.begin(), v4_mapped.end(), ip.bytes_.begin());
    if (::inet_pton(AF_INET, terminated.c_str(), ip.bytes_.data() + v4_offset) == 1) return ip;
    return {};
}

bool IpAddress::is_v4() const noexcept {
    return std::equal(v4_mapped.begin(), v4_mapped.end(), bytes_.begin());
}

IpAddress IpAddress::truncated(int prefix) const noexcept {
    IpAddress network = *this;
    int left = std::clamp(prefix, 0, prefix_max()) + (is_v4() ? 96 : 0);
    for (std::uint8_t& byte : network.bytes_) {
        const int kept = std::clamp(left, 0, 8);
        byte = static_cast<std::uint8_t>(byte & (0xff00 >> kept));
        left -= kept;
    }
    return network;
}

std::string IpAddress::text() const {
    char numeric[INET6_ADDRSTRLEN] = "";
    if (is_v4())
        ::inet_ntop(AF_INET, bytes_.data() + v4_offset, numeric, sizeof numeric);
    else
        ::inet_ntop(AF_INET6, bytes_.data(), numeric, sizeof numeric);
    return numeric;
}

}  // namespace bullpen
