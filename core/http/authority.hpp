/// An authority: the server that a request names, in its Host header or its target (RFC 9110 7.2, RFC
/// 3986 3.2).
#pragma once

#include <optional>
#include <string_view>

namespace bullpen::http {

struct Authority {
    std::string_view host;  ///< An IPv6 address with its brackets.
    std::string_view port;  ///< Digits; empty: none is named.
};

/// HOST or HOST:PORT; "HOST:" has no port. HOST is a name, an IPv4 address or, in brackets, an IPv6 address
/// without a zone. A user before the host is none of it, and an empty host isn't either.
std::optional<Authority> parse_authority(std::string_view text);

enum class Port { optional, required };

/// Whether the text is one.
bool is_authority(std::string_view text, Port port = Port::optional);

}  // namespace bullpen::http
