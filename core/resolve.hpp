/// The addresses that a text stands for.
#pragma once

#include <chrono>
#include <string_view>
#include <vector>

#include <bullpen/address.hpp>

namespace bullpen {

constexpr std::chrono::seconds lookup_patience{10};  ///< For the name service to answer.

/// Whether it is written as the address of a socket for datagrams (udp:, unixgram:).
[[nodiscard]] bool is_for_datagrams(std::string_view text) noexcept;

/// Throws AddressError if the text is none that resolve() reads. Asks nobody.
void check_address(std::string_view text);

/// Reads HOST:PORT, [V6]:PORT, :PORT (all of this machine's addresses of either family), udp:HOST:PORT,
/// unix:/path, seqpacket:/path or unixgram:/path (also @name for the path). HOST and PORT may be names
/// (getaddrinfo(3), /etc/services); port 0 lets the kernel choose. A name may stand for several addresses
/// (localhost: 127.0.0.1 and ::1), so this returns all of them, never none. Throws AddressError. A name is
/// asked for in a child process, for `patience` at most (then std::runtime_error is thrown), and no longer
/// than until the server is told to stop (StoppedAtStart): start-up only.
std::vector<Address> resolve(std::string_view text, std::chrono::seconds patience = lookup_patience);

/// The same for what is connected to, or listens: throws AddressError for an address of datagrams, too.
std::vector<Address> resolve_stream(std::string_view text, std::chrono::seconds patience = lookup_patience);

}  // namespace bullpen
