#include "core/http/request_target.hpp"

#include <strings.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "core/http/authority.hpp"
#include "core/http/percent_encoding.hpp"

namespace bullpen::http {
namespace {

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) noexcept {
    return text.size() >= prefix.size() && ::strncasecmp(text.data(), prefix.data(), prefix.size()) == 0;
}

/// 0 for a target in another form than the absolute one.
std::size_t scheme_size(std::string_view target) noexcept {
    for (const std::string_view scheme : {"http://", "https://"})
        if (starts_with_ignoring_case(target, scheme)) return scheme.size();
    return 0;
}

/// 1 for ".", 2 for "..", encoded or not; 0 for any other segment.
int dots_in(std::string_view segment) noexcept {
    int dots = 0;
    while (!segment.empty()) {
        const std::size_t size = segment.front() == '.'                      ? 1
                                 : starts_with_ignoring_case(segment, "%2e") ? 3
                                                                             : 0;
        if (size == 0 || ++dots > 2) return 0;
        segment.remove_prefix(size);
    }
    return dots;
}

/// Takes the first segment away, and the slash behind it.
std::string_view take_segment(std::string_view& path) noexcept {
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(segment.size() + 1, path.size()));
    return segment;
}

bool any_dot_segment(std::string_view path) noexcept {
    while (!path.empty())
        if (dots_in(take_segment(path)) > 0) return true;
    return false;
}

}  // namespace

std::optional<RequestTarget> parse_request_target(std::string_view target) {
    const std::size_t scheme = scheme_size(target);
    if (scheme > 0) {
        target.remove_prefix(scheme);
        const std::size_t size = std::min(target.find_first_of("/?#"), target.size());
        if (!is_authority(target.substr(0, size))) return {};
        target.remove_prefix(size);
    }
    if (target.find('#') != std::string_view::npos) return {};

    const std::size_t query = std::min(target.find('?'), target.size());
    const std::string_view encoded = target.substr(0, query);
    if (!encoded.starts_with('/') && !(scheme > 0 && encoded.empty())) return {};
    const std::string_view relative =
        encoded.substr(std::min(encoded.find_first_not_of('/'), encoded.size()));
    std::optional<std::string> decoded = percent_decode(relative);
    if (!decoded || decoded->find('\0') != std::string::npos) return {};
    const bool is_plain = decoded->size() == relative.size();
    const bool has_encoded_slash = !is_plain && std::count(decoded->begin(), decoded->end(), '/') !=
                                                    std::count(relative.begin(), relative.end(), '/');
    return RequestTarget{.path = std::move(*decoded),
                         .query = target.substr(query),
                         .encoded_path = encoded,
                         .has_dot_segments = any_dot_segment(relative),
                         .has_encoded_slash = has_encoded_slash};
}

std::optional<std::string> without_dot_segments(std::string_view encoded_path) {
    std::string meant;
    encoded_path.remove_prefix(std::min<std::size_t>(encoded_path.size(), 1));
    for (bool more = true; more;) {
        more = encoded_path.find('/') != std::string_view::npos;
        const std::string_view segment = take_segment(encoded_path);
        const int dots = dots_in(segment);
        if (dots == 0) {
            const std::optional<std::string> name = percent_decode(segment);
            if (!name) return {};
            meant += "/" + percent_encode_segment(*name);
            continue;
        }
        if (dots == 2 && meant.empty()) return {};
        if (dots == 2) meant.erase(meant.rfind('/'));
        if (!more) meant += '/';
    }
    // Two slashes in front would name another server.
    meant.erase(0, std::min(meant.find_first_not_of('/'), meant.size()));
    return "/" + meant;
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
