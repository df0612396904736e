/// What a file is, by its name.
#pragma once

#include <string_view>

namespace bullpen::http {

/// The Content-Type of the file at `path`: "text/html; charset=utf-8". Text is taken for UTF-8. A name that
/// says nothing is application/octet-stream.
std::string_view media_type(std::string_view path) noexcept;

}  // namespace bullpen::http
