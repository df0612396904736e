/// A request target: the path and the query in a request's first line.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bullpen::http {

struct RequestTarget {
    std::string path;        ///< Decoded, without leading slashes: "" is the root, "a/" a directory.
    std::string_view query;  ///< Undecoded, with its '?'; empty if there is none. A view of the target.

    [[nodiscard]] bool names_directory() const noexcept { return path.empty() || path.back() == '/'; }
};

/// Parses "/path?query" and "http://host/path?query". Returns nothing for any other form, for a bad
/// percent-encoding, a NUL or a fragment. The path is decoded once and not normalised: it may contain "..".
std::optional<RequestTarget> parse_request_target(std::string_view target);

/// Whether any part of the path begins with a dot: "..", ".git", "a/.ssh/b". Not so ".well-known" (RFC 8615).
bool has_hidden_part(std::string_view path) noexcept;

}  // namespace bullpen::http
