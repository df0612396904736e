#include <bullpen/address.hpp>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "core/printable.hpp"

namespace bullpen {
namespace {

constexpr std::string_view unix_prefix = "unix:";

Address ask(int fd, int (*name_of)(int, sockaddr*, socklen_t*)) noexcept {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (name_of(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
    return {reinterpret_cast<const sockaddr*>(&storage), size};
}

}  // namespace

Address Address::of_socket(int fd) noexcept {
    return ask(fd, ::getsockname);
}

Address Address::of_peer(int fd) noexcept {
    return ask(fd, ::getpeername);
}

Address::Address(const sockaddr* address, socklen_t size) noexcept
    : size_{std::min(size, static_cast<socklen_t>(sizeof storage_))} {
    std::memcpy(&storage_, address, size_);
}

Address Address::unix_path(std::string_view path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const bool has_nul = path.find('\0') != std::string_view::npos;
    if (path.empty() || path.size() >= sizeof address.sun_path || has_nul)
        throw AddressError{"'" + printable(std::string{unix_prefix}.append(path)) +
                           "' is not an address: a UNIX socket's path has 1 to 107 bytes, and no NUL"};
    std::memcpy(address.sun_path, path.data(), path.size());
    const auto size = offsetof(sockaddr_un, sun_path) + path.size() + 1;
    return {reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size)};
}

const sockaddr* Address::data() const noexcept {
    return reinterpret_cast<const sockaddr*>(&storage_);
}

std::uint16_t Address::port() const noexcept {
    if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
    if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port);
    return 0;
}

Address Address::with_port(std::uint16_t port) const noexcept {
    Address other = *this;
    if (family() == AF_INET) reinterpret_cast<sockaddr_in*>(&other.storage_)->sin_port = htons(port);
    if (family() == AF_INET6) reinterpret_cast<sockaddr_in6*>(&other.storage_)->sin6_port = htons(port);
    return other;
}

std::string Address::path() const {
    if (family() != AF_UNIX || size_ <= offsetof(sockaddr_un, sun_path)) return {};
    const auto* address = reinterpret_cast<const sockaddr_un*>(&storage_);
    return {address->sun_path, ::strnlen(address->sun_path, size_ - offsetof(sockaddr_un, sun_path))};
}

std::string Address::host() const {
    if (family() == AF_UNIX) return {};
    char numeric[NI_MAXHOST];
    if (::getnameinfo(data(), size_, numeric, sizeof numeric, nullptr, 0, NI_NUMERICHOST) != 0) return {};
    return numeric;
}

std::string Address::text() const {
    if (family() == AF_UNIX) return std::string{unix_prefix} + path();
    const std::string numeric = host();
    if (numeric.empty()) return "unknown";
    return (family() == AF_INET6 ? "[" + numeric + "]" : numeric) + ":" + std::to_string(port());
}

}  // namespace bullpen
