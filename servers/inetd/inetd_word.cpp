#include "servers/inetd/inetd_word.hpp"

#include <cstddef>

#include "core/printable.hpp"
#include "core/utf8.hpp"
#include "servers/settings/nearest.hpp"

namespace bullpen {
namespace {

constexpr std::size_t shown_bytes_max = 80;

/// Where a text of UTF-8 may be cut: at most `size`.
std::size_t cut_before(std::string_view text, std::size_t size) {
    const std::size_t least = size - 3;
    while (size > least && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80)
        --size;
    return size;
}

}  // namespace

std::string quoted(std::string_view word) {
    const bool is_long = word.size() > shown_bytes_max;
    if (is_long) word = word.substr(0, cut_before(word, shown_bytes_max));
    return "'" + printable(to_utf8(word)) + (is_long ? "…'" : "'");
}

std::string any_of(const std::vector<std::string_view>& words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
        text += words[i];
    }
    return text;
}

std::string not_one_of(std::string_view word, std::string_view kind,
                       const std::vector<std::string_view>& allowed) {
    const auto meant = nearest(word.substr(0, shown_bytes_max), allowed);
    return quoted(word) + " is not " + std::string{kind} + "; expected " + any_of(allowed) +
           (meant ? " (did you mean " + std::string{*meant} + "?)" : "");
}

}  // namespace bullpen
