#include "core/address.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "core/name_lookup.hpp"
#include "core/parse_number.hpp"
#include "core/printable.hpp"

namespace bullpen {
namespace {

constexpr std::string_view unix_prefix = "unix:";
constexpr std::string_view allowed_forms = "expected HOST:PORT, [V6]:PORT or unix:/path";

struct HostPort {
    std::string host;
    std::string port;
};

[[noreturn]] void reject(std::string_view text, std::string_view reason) {
    throw AddressError{"'" + printable(text) + "' is not an address: " + std::string{reason}};
}

HostPort split(std::string_view text) {
    if (text.starts_with('[')) {
        const auto bracket = text.find(']');
        if (bracket == std::string_view::npos || text.substr(bracket + 1, 1) != ":")
            reject(text, allowed_forms);
        return {std::string{text.substr(1, bracket - 1)}, std::string{text.substr(bracket + 2)}};
    }
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) reject(text, allowed_forms);
    if (text.find(':', colon + 1) != std::string_view::npos)
        reject(text, "an IPv6 address stands in brackets, as in [::1]:8080");
    return {std::string{text.substr(0, colon)}, std::string{text.substr(colon + 1)}};
}

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// getaddrinfo(3) takes a number with blanks and a sign, and of one that is too large the low 16 bits.
void check_port(std::string_view text, std::string_view port) {
    const bool number = std::all_of(port.begin(), port.end(), is_digit);
    const bool name = (is_digit(port.front()) || is_letter(port.front())) &&
                      std::any_of(port.begin(), port.end(), is_letter);
    if (number ? !parse_number<std::uint16_t>(port) : !name)
        reject(text, "a port is a number from 0 to 65535 or a service name");
}

void check_bytes(std::string_view text) {
    const bool plain = std::all_of(text.begin(), text.end(),
                                   [](char c) { return static_cast<unsigned char>(c) > ' ' && c != 127; });
    if (!plain) reject(text, std::string{allowed_forms} + ", without blanks and control bytes");
}

HostPort parse(std::string_view text) {
    HostPort parts = split(text);
    if (parts.host.empty() || parts.port.empty()) reject(text, allowed_forms);
    check_bytes(text);
    check_port(text, parts.port);
    return parts;
}

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
        reject(std::string{unix_prefix}.append(path), "a UNIX socket's path has 1 to 107 bytes, and no NUL");
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

void check_address(std::string_view text) {
    if (text.starts_with(unix_prefix))
        Address::unix_path(text.substr(unix_prefix.size()));
    else
        parse(text);
}

std::vector<Address> resolve(std::string_view text, std::chrono::seconds patience) {
    if (text.starts_with(unix_prefix)) return {Address::unix_path(text.substr(unix_prefix.size()))};

    const HostPort parts = parse(text);
    const LookedUp found = look_up(parts.host, parts.port, patience);
    if (found.overdue)
        throw std::runtime_error{"'" + std::string{text} + "': the name service hasn't answered within " +
                                 std::to_string(patience.count()) + " s"};
    if (found.error != 0) {
        const std::string what = found.error == EAI_SERVICE
                                     ? "the service '" + parts.port + "' is not in /etc/services"
                                     : "the host '" + parts.host + "' can't be found";
        reject(text, what + " (" + ::gai_strerror(found.error) + ")");
    }
    std::vector<Address> addresses;
    for (const Address& address : found.addresses) {
        const auto same = [&](const Address& other) { return other.text() == address.text(); };
        if (std::none_of(addresses.begin(), addresses.end(), same)) addresses.push_back(address);
    }
    return addresses;
}

}  // namespace bullpen
