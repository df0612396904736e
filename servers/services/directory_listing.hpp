/// Directory listings: the page for a directory that has no index.html.
#pragma once

#include <string>
#include <string_view>

#include "servers/services/file_tree.hpp"

namespace bullpen::http {

/// Returns a whole HTML page in UTF-8 that lists directories first. `path` is the directory's path relative
/// to the root. A name that isn't UTF-8 is shown with U+FFFD and linked by its bytes.
std::string directory_page(std::string_view path, DirectoryEntries found);

/// "17 B", "1.5 KiB", "12 MiB"
std::string readable_size(std::uint64_t bytes);

}  // namespace bullpen::http
