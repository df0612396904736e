#include "core/http/request_target.hpp"

#include <strings.h>

#include "core/http/percent_encoding.hpp"

namespace bullpen::http {
namespace {

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) noexcept {
    return text.size() >= prefix.size() && ::strncasecmp(text.data(), prefix.data(), prefix.size()) == 0;
}

/// "http://host/a" to "/a"; "http://host" and "http://host?q" have an empty path, which means "/".
std::string_view without_authority(std::string_view target) noexcept {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!starts_with_ignoring_case(target, scheme)) continue;
        const std::size_t path = target.find_first_of("/?", scheme.size());
        return path == std::string_view::npos ? "/" : target.substr(path);
    }
    return target;
}

}  // namespace

std::optional<RequestTarget> parse_request_target(std::string_view target) {
    const std::string_view relative = without_authority(target);
    const bool has_path = relative.starts_with('/') || (relative.starts_with('?') && relative != target);
    if (!has_path || relative.find('#') != std::string_view::npos) return {};

    const std::size_t query = std::min(relative.find('?'), relative.size());
    const std::size_t path = std::min(relative.find_first_not_of('/'), query);
    std::optional<std::string> decoded = percent_decode(relative.substr(path, query - path));
    if (!decoded || decoded->find('\0') != std::string::npos) return {};
    decoded->erase(0, decoded->find_first_not_of('/'));  // A leading "%2F" is a slash, too.
    return RequestTarget{.path = std::move(*decoded), .query = relative.substr(query)};
}

bool has_hidden_part(std::string_view path) noexcept {
    while (!path.empty()) {
        const std::string_view part = path.substr(0, path.find('/'));
        if (part.starts_with('.') && part != ".well-known") return true;
        path.remove_prefix(std::min(part.size() + 1, path.size()));
    }
    return false;
}

}  // namespace bullpen::http
