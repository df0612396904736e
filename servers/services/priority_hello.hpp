/// How two connections become one session of the service priority; what server and client say first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bullpen {

/// The first line on the normal connection, from the client.
struct PriorityHello {
    std::uint16_t port = 0;    ///< Of the client's host, where the server connects to.
    std::string server_proof;  ///< What the server says there first: that it has read this line.
    std::string client_proof;  ///< What the client answers: that it has written it.
};

constexpr std::size_t proof_size = 32;                          ///< Hexadecimal digits: 128 bits.
constexpr std::size_t hello_most = 5 + 1 + 2 * proof_size + 1;  ///< Bytes of the line, with its end.

/// "PORT COOKIE\n"; a cookie is the two proofs one behind the other.
std::string text_of(const PriorityHello& hello);

/// Nothing: it is none. The port may be any number.
std::optional<PriorityHello> parse_priority_hello(std::string_view line);

/// With proofs that nobody can guess (getrandom(2)). Throws std::system_error.
PriorityHello make_priority_hello(std::uint16_t port);

/// Compares in a time that depends on the sizes alone, so that nobody learns a proof digit by digit.
bool is_proof(std::string_view said, std::string_view expected) noexcept;

}  // namespace bullpen
