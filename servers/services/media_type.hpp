/// Media types: the Content-Type of a file, by its name.
#pragma once

#include <string_view>

namespace bullpen::http {

/// The Content-Type of the file at `path`, for example "text/html; charset=utf-8". Text is assumed to be
/// UTF-8. A name without a known extension gives application/octet-stream.
std::string_view media_type(std::string_view path) noexcept;

}  // namespace bullpen::http
