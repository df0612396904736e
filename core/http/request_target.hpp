/// A request target: the path and the query in a request's first line.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bullpen::http {

struct RequestTarget {
    std::string path;        ///< Decoded, without leading slashes: "" is the root, "a/" a directory.
    std::string_view query;  ///< Undecoded, with its '?'; empty if there is none. A view of the target.
    std::string_view encoded_path;  ///< As it came, with its slashes in front. A view of the target.

    /// A segment of the path is "." or "..", encoded or not: see without_dot_segments().
    bool has_dot_segments = false;

    /// A segment has a slash in its name ("%2F"), which separates nothing, so that no file can be meant.
    bool has_encoded_slash = false;

    [[nodiscard]] bool names_directory() const noexcept { return path.empty() || path.back() == '/'; }
};

/// Parses "/path?query" and "http://host/path?query". Returns nothing for any other form, for an authority
/// that is none (authority.hpp), for a bad percent-encoding, a NUL or a fragment. The path is decoded once
/// and not normalised.
std::optional<RequestTarget> parse_request_target(std::string_view target);

/// The path that is meant by one with dot segments (RFC 3986 5.2.4), encoded anew and with one slash in
/// front. Returns nothing if it leads above the root.
std::optional<std::string> without_dot_segments(std::string_view encoded_path);

/// Whether any part of the path begins with a dot: "..", ".git", "a/.ssh/b". Not so ".well-known" (RFC 8615).
bool has_hidden_part(std::string_view path) noexcept;

}  // namespace bullpen::http
