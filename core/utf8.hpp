/// UTF-8, as Prometheus and JSON want all text.
#pragma once

#include <string>
#include <string_view>

namespace bullpen {

/// Whether the text is well-formed UTF-8 (RFC 3629).
bool is_utf8(std::string_view text) noexcept;

/// The text with U+FFFD in place of each byte that is no part of a well-formed character.
std::string to_utf8(std::string_view text);

}  // namespace bullpen
