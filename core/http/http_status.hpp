/// The HTTP status codes that the service answers with.
#pragma once

#include <array>
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
    content_too_large = 413,
    uri_too_long = 414,
    range_not_satisfiable = 416,
    head_too_large = 431,
    internal_error = 500,
    not_implemented = 501,
    unavailable = 503,
    version_not_supported = 505,
};

/// Those of an error.
inline constexpr std::array error_statuses{
    Status::bad_request,           Status::forbidden,           Status::not_found,
    Status::method_not_allowed,    Status::precondition_failed, Status::uri_too_long,
    Status::range_not_satisfiable, Status::head_too_large,      Status::internal_error,
    Status::not_implemented,       Status::unavailable,         Status::version_not_supported};

/// "404 Not Found": the code and its phrase, as the status line has them.
std::string_view status_text(Status status) noexcept;

}  // namespace bullpen::http
