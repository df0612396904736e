/// What a request asks for: the path and the query in its first line.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bullpen::http {

struct RequestTarget {
    std::string path;        ///< Decoded, without the slashes in front: "" is the root, "a/" a directory.
    std::string_view query;  ///< As it came, with its '?'; empty if there is none. A view of the target.

    [[nodiscard]] bool names_directory() const noexcept { return path.empty() || path.back() == '/'; }
};

/// Reads "/path?query" and "http://host/path?query". Nothing for any other form, for a bad percent-encoding,
/// a NUL or a fragment. The path is decoded once and otherwise left alone: it may well contain "..".
std::optional<RequestTarget> parse_request_target(std::string_view target);

/// Whether any part of the path begins with a dot: "..", ".git", "a/.ssh/b". Not so ".well-known" (RFC 8615).
bool has_hidden_part(std::string_view path) noexcept;

}  // namespace bullpen::http
