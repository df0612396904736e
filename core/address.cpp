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

const char* prefix_of(int type) noexcept {
    if (type == SOCK_DGRAM) return "unixgram:";
    return type == SOCK_SEQPACKET ? "seqpacket:" : "unix:";
}

const char* prefix_of(int type, int protocol) noexcept {
    if (protocol == IPPROTO_SCTP) return "sctp:";
    return type == SOCK_DGRAM ? "udp:" : "";
}

}  // namespace

Address Address::ask(int fd, int (*name_of)(int, sockaddr*, socklen_t*)) noexcept {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (name_of(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
    Address address{reinterpret_cast<const sockaddr*>(&storage), size};
    socklen_t type_size = sizeof address.type_;
    if (address.family() == AF_UNIX) ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &address.type_, &type_size);
    return address;
}

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

Address Address::unix_name(std::string_view name, int type) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const bool is_abstract = name.starts_with('@');
    const bool has_nul = name.find('\0') != std::string_view::npos;
    if (name.size() <= (is_abstract ? 1 : 0) || name.size() >= sizeof address.sun_path || has_nul)
        throw AddressError{"'" + printable(std::string{prefix_of(type)}.append(name)) +
                           "' is not an address: a UNIX socket's path, or its name after @, has 1 to 107 "
                           "bytes, and no NUL"};
    std::memcpy(address.sun_path, name.data(), name.size());
    if (is_abstract) address.sun_path[0] = '\0';
    const auto size = offsetof(sockaddr_un, sun_path) + name.size() + (is_abstract ? 0 : 1);
    Address made{reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size)};
    made.type_ = type;
    return made;
}

Address Address::with_type(int type) const noexcept {
    Address other = *this;
    other.type_ = type;
    return other;
}

Address Address::with_protocol(int protocol) const noexcept {
    Address other = *this;
    other.protocol_ = protocol;
    return other;
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

std::string_view Address::unix_bytes() const noexcept {
    if (family() != AF_UNIX || size_ <= offsetof(sockaddr_un, sun_path)) return {};
    const auto* address = reinterpret_cast<const sockaddr_un*>(&storage_);
    return {address->sun_path, size_ - offsetof(sockaddr_un, sun_path)};
}

std::string Address::path() const {
    const std::string_view bytes = unix_bytes();
    return std::string{bytes.substr(0, bytes.find('\0'))};
}

std::string Address::host() const {
    if (family() == AF_UNIX) return {};
    char numeric[NI_MAXHOST];
    if (::getnameinfo(data(), size_, numeric, sizeof numeric, nullptr, 0, NI_NUMERICHOST) != 0) return {};
    return numeric;
}

std::string Address::text() const {
    if (family() == AF_UNIX) {
        const std::string_view bytes = unix_bytes();
        const bool is_abstract = bytes.starts_with('\0');
        return prefix_of(type_) + (is_abstract ? "@" + printable(bytes.substr(1)) : path());
    }
    const std::string numeric = host();
    if (numeric.empty()) return "unknown";
    return prefix_of(type_, protocol_) + (family() == AF_INET6 ? "[" + numeric + "]" : numeric) + ":" +
           std::to_string(port());
}

}  // namespace bullpen
