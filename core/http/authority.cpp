#include "core/http/authority.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include <bullpen/ip_address.hpp>
#include "core/http/percent_encoding.hpp"

namespace bullpen::http {
namespace {

constexpr bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

/// RFC 3986's unreserved and sub-delims.
constexpr auto name_characters = [] {
    std::array<bool, 256> table{};
    for (std::size_t i = 0; i < table.size(); ++i) {
        const char c = static_cast<char>(i);
        table[i] = is_letter(c) || is_digit(c) ||
                   std::string_view{"-._~!$&'()*+,;="}.find(c) != std::string_view::npos;
    }
    return table;
}();

constexpr bool is_name_character(char c) noexcept {
    return name_characters[static_cast<unsigned char>(c)];
}

bool is_name(std::string_view text) noexcept {
    while (!text.empty()) {
        const std::size_t size = is_name_character(text.front()) ? 1 : begins_percent_encoded(text) ? 3 : 0;
        if (size == 0) return false;
        text.remove_prefix(size);
    }
    return true;
}

/// "v1.x": an address of a version that is yet to come.
bool is_future_address(std::string_view text) noexcept {
    if (!text.starts_with('v') && !text.starts_with('V')) return false;
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos || dot == 1 || dot + 1 == text.size()) return false;
    const std::string_view version = text.substr(1, dot - 1);
    const std::string_view rest = text.substr(dot + 1);
    return std::all_of(version.begin(), version.end(), is_hex_digit) &&
           std::all_of(rest.begin(), rest.end(), [](char c) { return c == ':' || is_name_character(c); });
}

bool is_bracketed_address(std::string_view text) {
    if (text.size() < 2 || !text.ends_with(']')) return false;
    const std::string_view address = text.substr(1, text.size() - 2);
    const bool is_v6 = address.find(':') != std::string_view::npos && IpAddress::parse(address);
    return is_v6 || is_future_address(address);
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
    const bool in_brackets = text.starts_with('[');
    const std::size_t host_size =
        in_brackets ? text.find(']') + 1 : std::min(text.find(':'), text.size());  // No ']': npos + 1 is 0.
    const std::string_view host = text.substr(0, host_size);
    const std::string_view rest = text.substr(host_size);
    if (host.empty() || !(in_brackets ? is_bracketed_address(host) : is_name(host))) return {};
    if (!rest.empty() && !rest.starts_with(':')) return {};
    const std::string_view digits = rest.substr(std::min<std::size_t>(rest.size(), 1));
    if (!std::all_of(digits.begin(), digits.end(), is_digit)) return {};
    return Authority{.host = host, .port = digits};
}

bool is_authority(std::string_view text, Port port) {
    const std::optional<Authority> parsed = parse_authority(text);
    return parsed && (port == Port::optional || !parsed->port.empty());
}

}  // namespace bullpen::http
