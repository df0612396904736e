/// A number out of text: the one place for it.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace bullpen {

/// The number that the whole of `text` is. Nothing if it is none or doesn't fit: no blanks, no plus sign, and
/// no minus where Number is unsigned. Decimal, whatever the locale.
template <typename Number>
std::optional<Number> parse_number(std::string_view text) noexcept {
    Number number{};
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    if (error != std::errc{} || end != last) return std::nullopt;
    return number;
}

/// The same in another base, for integers: 2 to 36.
template <typename Number>
std::optional<Number> parse_number(std::string_view text, int base) noexcept {
    Number number{};
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number, base);
    if (error != std::errc{} || end != last) return std::nullopt;
    return number;
}

}  // namespace bullpen
