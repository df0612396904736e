#include "servers/services/byte_range.hpp"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

namespace bullpen::http {
namespace {

/// A position of digits only; nothing if there are other characters. A number above 2^64 - 1 is taken for
/// 2^64 - 1, which also lies beyond the end of every file.
std::optional<std::uint64_t> parse_position(std::string_view digits) noexcept {
    std::uint64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    if (stop != end || error == std::errc::invalid_argument) return {};
    return error == std::errc::result_out_of_range ? std::numeric_limits<std::uint64_t>::max() : value;
}

ByteRange last_bytes(std::uint64_t wanted, std::uint64_t size) noexcept {
    if (wanted == 0) return {.kind = ByteRange::Kind::unsatisfiable};
    if (size == 0) return {};
    const std::uint64_t count = std::min(wanted, size);
    return {.kind = ByteRange::Kind::part, .first = size - count, .count = count};
}

}  // namespace

ByteRange parse_byte_range(std::string_view header, std::uint64_t size) noexcept {
    constexpr std::string_view unit = "bytes=";
    const ByteRange whole{.kind = ByteRange::Kind::whole, .first = 0, .count = size};
    if (header.size() < unit.size() || ::strncasecmp(header.data(), unit.data(), unit.size()) != 0)
        return whole;
    const std::string_view range = header.substr(unit.size());
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
