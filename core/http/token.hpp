/// A token: the form of header names, codings and other words of HTTP (RFC 9110 5.6.2).
#pragma once

#include <string_view>

namespace bullpen::http {

constexpr bool is_token(std::string_view text) noexcept {
    for (const char c : text) {
        const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && std::string_view{"!#$%&'*+-.^_`|~"}.find(c) == std::string_view::npos)
            return false;
    }
    return !text.empty();
}

}  // namespace bullpen::http
