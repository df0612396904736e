#include "servers/services/utf8_text.hpp"

#include <cstddef>

namespace bullpen::http {
namespace {

struct Sequence {
    std::size_t size;  ///< At least 1. Of an invalid one: up to the byte that makes it so (Unicode 3.9).
    bool is_valid;
};

constexpr std::size_t size_after(unsigned lead) noexcept {
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) return 2;
    if (lead >= 0xE0 && lead <= 0xEF) return 3;
    return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

/// The first of `bytes`, of which there is at least one (Unicode's table 3-7).
Sequence first_sequence(std::string_view bytes) noexcept {
    const auto byte = [&](std::size_t i) -> unsigned { return static_cast<unsigned char>(bytes[i]); };
    const unsigned lead = byte(0);
    const std::size_t size = size_after(lead);
    if (size == 0) return {1, false};
    unsigned least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    for (std::size_t i = 1; i < size; ++i) {
        if (i == bytes.size() || byte(i) < least || byte(i) > most) return {i, false};
        least = 0x80;
        most = 0xBF;
    }
    return {size, true};
}

}  // namespace

std::string utf8_text(std::string_view bytes) {
    constexpr std::string_view replacement = "\xEF\xBF\xBD";
    std::string text;
    text.reserve(bytes.size());
    while (!bytes.empty()) {
        const Sequence sequence = first_sequence(bytes);
        text += sequence.is_valid ? bytes.substr(0, sequence.size) : replacement;
        bytes.remove_prefix(sequence.size);
    }
    return text;
}

}  // namespace bullpen::http
