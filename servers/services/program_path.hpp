/// Where a program's file is.
#pragma once

#include <string>
#include <string_view>

namespace bullpen {

/// The absolute path of an executable file: the name itself if it has a slash, else found in `path` (folders
/// with colons between, as PATH). Throws std::invalid_argument, one sentence.
std::string program_path(const std::string& name, std::string_view path);

/// PATH, or what a shell takes in its place.
std::string_view path_variable() noexcept;

}  // namespace bullpen
