#include "core/utf8.hpp"

#include <algorithm>
#include <cstddef>

namespace bullpen {
namespace {

/// The size of the well-formed character at the beginning of the text; 0 if there is none.
std::size_t character_size(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
    const unsigned first = byte(0);
    const unsigned second = byte(1);
    if (first < 0x80) return text.empty() ? 0 : 1;
    if (first < 0xc2 || first > 0xf4 || !follows(1)) return 0;  // 0xc0, 0xc1: longer than need be.
    if (first < 0xe0) return 2;
    if (!follows(2)) return 0;
    if (first < 0xf0) {
        const bool longer_than_need_be = first == 0xe0 && second < 0xa0;
        const bool surrogate = first == 0xed && second >= 0xa0;
        return longer_than_need_be || surrogate ? 0 : 3;
    }
    const bool longer_than_need_be = first == 0xf0 && second < 0x90;
    const bool beyond_unicode = first == 0xf4 && second >= 0x90;
    return longer_than_need_be || beyond_unicode || !follows(3) ? 0 : 4;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const std::size_t size = character_size(text);
        if (size == 0) return false;
        text.remove_prefix(size);
    }
    return true;
}

std::string to_utf8(std::string_view text) {
    constexpr std::string_view replacement = "\xef\xbf\xbd";
    std::string valid;
    while (!text.empty()) {
        const std::size_t size = character_size(text);
        valid += size == 0 ? replacement : text.substr(0, size);
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return valid;
}

}  // namespace bullpen
