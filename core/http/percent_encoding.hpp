/// Percent-encoding: bytes in a URL (RFC 3986 2.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bullpen::http {

/// Turns every %XX into its byte, exactly once. Returns nothing if a % isn't followed by two hexadecimal
/// digits.
std::optional<std::string> percent_decode(std::string_view text);

/// Encodes all characters but letters, digits, "-._~" and the slash. The result is safe in a path, an
/// attribute and a header.
std::string percent_encode(std::string_view path);

/// The same of what stands between two slashes of a path: a slash in it is encoded, too.
std::string percent_encode_segment(std::string_view segment);

bool is_hex_digit(char c) noexcept;

/// Whether the text begins with %XX.
bool begins_percent_encoded(std::string_view text) noexcept;

}  // namespace bullpen::http
