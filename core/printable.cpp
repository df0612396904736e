#include "core/printable.hpp"

namespace bullpen {

std::string printable(std::string_view text) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string line;
    line.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f)
            line += c;
        else
            line.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
    return line;
}

}  // namespace bullpen
