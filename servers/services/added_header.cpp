#include "servers/services/added_header.hpp"

#include <fnmatch.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <stdexcept>
#include <utility>

#include "core/http/token.hpp"

namespace bullpen::http {
namespace {

constexpr std::array own_headers{"Accept-Ranges",
                                 "Allow",
                                 "Connection",
                                 "Content-Encoding",
                                 "Content-Length",
                                 "Content-Range",
                                 "Content-Type",
                                 "Date",
                                 "ETag",
                                 "Keep-Alive",
                                 "Last-Modified",
                                 "Location",
                                 "Proxy-Connection",
                                 "Retry-After",
                                 "Server",
                                 "TE",
                                 "Trailer",
                                 "Transfer-Encoding",
                                 "Upgrade",
                                 "X-Content-Type-Options"};

bool is_own(const std::string& name) noexcept {
    return std::any_of(own_headers.begin(), own_headers.end(),
                       [&](const char* own) { return ::strcasecmp(own, name.c_str()) == 0; });
}

bool is_control(char c) noexcept {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
}

/// fnmatch(3) takes a [ without its ] for itself, which nobody means.
void check_pattern(const std::string& pattern) {
    if (pattern.find('/') != std::string::npos && pattern[0] != '/' && pattern[0] != '*')
        throw std::invalid_argument{"the pattern '" + pattern +
                                    "' is for no path; one with a slash begins with / or *"};
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] == '\\') {
            if (++i < pattern.size()) continue;
            throw std::invalid_argument{"the pattern '" + pattern +
                                        "' ends in a \\; expected a character behind it"};
        }
        if (pattern[i] != '[') continue;
        std::size_t first = i + 1;
        if (first < pattern.size() && (pattern[first] == '!' || pattern[first] == '^')) ++first;
        const std::size_t end = pattern.find(']', first + 1);  // A ] that comes first is one of the set.
        if (end == std::string::npos)
            throw std::invalid_argument{
                "the pattern '" + pattern +
                "' has a [ without its ]; expected a set such as [a-z], or \\[ for the "
                "character itself"};
        i = end;
    }
}

struct Parts {
    std::string pattern;
    std::string name;
    std::string_view value;
};

/// The name ends at the first colon before which there is a name; nothing but a pattern may stand before it.
Parts split(std::string_view text) {
    for (std::size_t colon = text.find(':'); colon != std::string_view::npos;
         colon = text.find(':', colon + 1)) {
        const std::string_view before = text.substr(0, colon);
        const std::size_t blank = before.rfind(' ');
        const std::string_view name = before.substr(blank + 1);
        const std::string_view pattern = blank == std::string_view::npos ? "" : before.substr(0, blank);
        if (!is_token(name)) continue;
        if (pattern.find(' ') != std::string_view::npos ||
            (blank != std::string_view::npos && pattern.empty()))
            break;
        return {std::string{pattern}, std::string{name}, text.substr(colon + 1)};
    }
    throw std::invalid_argument{"'" + std::string{text} +
                                "' is no header; expected [PATTERN ]NAME: VALUE, as in '*.css Cache-Control: "
                                "max-age=60'"};
}

}  // namespace

AddedHeader AddedHeader::parse(std::string_view text) {
    if (std::any_of(text.begin(), text.end(), is_control))
        throw std::invalid_argument{"a control character is in it; expected one line, [PATTERN ]NAME: VALUE"};
    Parts parts = split(text);
    if (is_own(parts.name))
        throw std::invalid_argument{parts.name +
                                    " is written by the server itself; expected another header, such as "
                                    "Cache-Control"};
    check_pattern(parts.pattern);
    constexpr std::string_view blanks = " \t";
    parts.value.remove_prefix(std::min(parts.value.find_first_not_of(blanks), parts.value.size()));
    parts.value = parts.value.substr(0, parts.value.find_last_not_of(blanks) + 1);
    return {.pattern = std::move(parts.pattern),
            .line = parts.name + ": " + std::string{parts.value} + "\r\n"};
}

std::string AddedHeader::text() const {
    return pattern + (pattern.empty() ? "" : " ") + line.substr(0, line.find('\r'));
}

bool AddedHeader::is_for(const std::string& path) const {
    if (pattern.empty()) return true;
    if (pattern.find('/') == std::string::npos)
        return ::fnmatch(pattern.c_str(), path.c_str() + path.rfind('/') + 1, 0) == 0;
    return ::fnmatch(pattern.c_str(), ("/" + path).c_str(), 0) == 0;
}

}  // namespace bullpen::http
