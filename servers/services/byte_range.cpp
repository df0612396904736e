#include "servers/services/byte_range.hpp"

#include <strings.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>

#include "core/parse_number.hpp"

namespace bullpen::http {
namespace {

/// A position of digits only; nothing if there are other characters. A number above 2^64 - 1 is taken for
/// 2^64 - 1, which also lies beyond the end of every file.
std::optional<std::uint64_t> parse_position(std::string_view digits) noexcept {
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) return {};
    return parse_number<std::uint64_t>(digits).value_or(std::numeric_limits<std::uint64_t>::max());
}

ByteRange last_bytes(std::uint64_t wanted, std::uint64_t size) noexcept {
    if (wanted == 0) return {.kind = ByteRange::Kind::unsatisfiable};
    if (size == 0) return {};
    const std::uint64_t count = std::min(wanted, size);
    return {.kind = ByteRange::Kind::part, .first = size - count, .count = count};
}

/// Blanks may stand beside a comma, nowhere else (RFC 9110 5.6.1).
std::string_view without_blanks(std::string_view element, bool before, bool after) noexcept {
    constexpr std::string_view blanks = " \t";
    if (before) element.remove_prefix(std::min(element.find_first_not_of(blanks), element.size()));
    if (after) element = element.substr(0, element.find_last_not_of(blanks) + 1);
    return element;
}

/// The one range of a list; nothing if there are several, or none. Empty elements don't count.
std::optional<std::string_view> only_element(std::string_view list) noexcept {
    std::optional<std::string_view> only;
    for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = std::min(list.find(',', begin), list.size());
        const std::string_view element =
            without_blanks(list.substr(begin, end - begin), begin > 0, end < list.size());
        if (!element.empty() && std::exchange(only, element)) return {};
        begin = end + 1;
    }
    return only;
}

}  // namespace

ByteRange parse_byte_range(std::string_view header, std::uint64_t size) noexcept {
    constexpr std::string_view unit = "bytes=";
    const ByteRange whole{.kind = ByteRange::Kind::whole, .first = 0, .count = size};
    if (header.size() < unit.size() || ::strncasecmp(header.data(), unit.data(), unit.size()) != 0)
        return whole;
    const std::string_view range = only_element(header.substr(unit.size())).value_or("");
    const std::size_t dash = range.find('-');
    if (dash == std::string_view::npos) return whole;

    const std::string_view last_digits = range.substr(dash + 1);
    const auto first = parse_position(range.substr(0, dash));
    const auto last = parse_position(last_digits);
    if (dash == 0) return last ? last_bytes(*last, size) : whole;
    if (!first || (!last && !last_digits.empty()) || (last && *last < *first)) return whole;
    if (*first >= size) return {.kind = ByteRange::Kind::unsatisfiable};
    const std::uint64_t end = last ? std::min(*last, size - 1) + 1 : size;
    return {.kind = ByteRange::Kind::part, .first = *first, .count = end - *first};
}

}  // namespace bullpen::http
