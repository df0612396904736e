/// UTF-8, as Prometheus and JSON want all text.
#pragma once

#include <string>
#include <string_view>

namespace bullpen {

/// Whether the text is well-formed UTF-8 (RFC 3629).
bool is_utf8(std::string_view text) noexcept;

/// The bytes, with U+FFFD in place of each sequence that isn't UTF-8.
std::string to_utf8(std::string_view bytes);

}  // namespace bullpen
