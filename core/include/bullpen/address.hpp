/// Where a server listens or a client comes from: IPv4, IPv6 or a UNIX socket's name.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include <bullpen/export.hpp>

namespace bullpen {

/// The text is not an address, or names a host or service that doesn't exist. what() is one sentence
/// that quotes the text and says what is allowed.
class BULLPEN_API AddressError : public std::invalid_argument {
public:
    using std::invalid_argument::invalid_argument;
};

/// A socket address: a value, cheap to copy. Default-constructed it is "unknown" (AF_UNSPEC).
class BULLPEN_API Address {
public:
    Address() noexcept = default;

    /// Copies what getsockname(2), accept(2) or getaddrinfo(3) filled in.
    Address(const sockaddr* address, socklen_t size) noexcept;

    /// A UNIX socket's path, or "@NAME" for a name without a file (abstract, unix(7)). At most 107 bytes
    /// (sun_path's limit); longer throws AddressError. `type`: SOCK_STREAM, SOCK_SEQPACKET for a
    /// connection that keeps the bounds of messages (TLPI 61.13.5), or SOCK_DGRAM for datagrams.
    static Address unix_name(std::string_view name, int type = SOCK_STREAM);

    /// The address of a socket and of its peer (getsockname, getpeername); "unknown" if there is none.
    static Address of_socket(int fd) noexcept;
    static Address of_peer(int fd) noexcept;

    [[nodiscard]] int family() const noexcept { return storage_.ss_family; }
    /// Of the socket that has it: SOCK_STREAM, SOCK_SEQPACKET or SOCK_DGRAM.
    [[nodiscard]] int type() const noexcept { return type_; }
    /// The same name for a socket of another type.
    [[nodiscard]] Address with_type(int type) const noexcept;
    /// Of that socket, for socket(2): IPPROTO_SCTP, or 0, the usual one for its family and type.
    [[nodiscard]] int protocol() const noexcept { return protocol_; }
    [[nodiscard]] Address with_protocol(int protocol) const noexcept;
    [[nodiscard]] const sockaddr* data() const noexcept;
    [[nodiscard]] socklen_t size() const noexcept { return size_; }

    /// The port in host order; 0 for UNIX sockets.
    [[nodiscard]] std::uint16_t port() const noexcept;

    /// The same host with another port; a UNIX socket stays as it is.
    [[nodiscard]] Address with_port(std::uint16_t port) const noexcept;

    /// The numeric host, without brackets; empty for anything but an IP address.
    [[nodiscard]] std::string host() const;

    /// The socket file's path; empty for anything but a UNIX socket that has one.
    [[nodiscard]] std::string path() const;

    /// "127.0.0.1:8080", "[::1]:8080", "udp:127.0.0.1:69", "sctp:127.0.0.1:9899", "unix:/run/web.sock",
    /// "unix:@web", "seqpacket:/run/web.sock", "unixgram:/run/log", "unix:" (a client without a name) or
    /// "unknown".
    /// Options::listen takes what this prints.
    [[nodiscard]] std::string text() const;

private:
    static Address ask(int fd, int (*name_of)(int, sockaddr*, socklen_t*)) noexcept;
    [[nodiscard]] std::string_view unix_bytes() const noexcept;

    sockaddr_storage storage_{};
    socklen_t size_ = 0;
    int type_ = SOCK_STREAM;
    int protocol_ = 0;
};

}  // namespace bullpen
