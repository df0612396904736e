/// UTF-8 text made of any bytes, such as a file's name.
#pragma once

#include <string>
#include <string_view>

namespace bullpen::http {

/// The bytes, with U+FFFD in place of each sequence that isn't UTF-8.
std::string utf8_text(std::string_view bytes);

}  // namespace bullpen::http
