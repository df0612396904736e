/// Text that shows as one line, whatever bytes it has.
#pragma once

#include <string>
#include <string_view>

namespace bullpen {

/// The text with each control byte as \xNN.
std::string printable(std::string_view text);

}  // namespace bullpen
