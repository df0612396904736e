/// The HTTP status codes that the service answers with.
#pragma once

#include <cstdint>
#include <string_view>

namespace bullpen::http {

enum class Status : std::uint16_t {
    ok = 200,
    partial_content = 206,
    moved_permanently = 301,
    not_modified = 304,
    bad_request = 400,
    forbidden = 403,
    not_found = 404,
    method_not_allowed = 405,
    precondition_failed = 412,
    uri_too_long = 414,
    range_not_satisfiable = 416,
    head_too_large = 431,
    internal_error = 500,
    not_implemented = 501,
    unavailable = 503,
    version_not_supported = 505,
};

/// "404 Not Found": the code and its phrase, as the status line has them.
std::string_view status_text(Status status) noexcept;

}  // namespace bullpen::http
