/// A file as a string: the one place for it.
#pragma once

#include <string>
#include <system_error>

namespace bullpen {

/// All bytes of a file, also of one in /proc, whose size nobody knows. Throws std::system_error "cannot read
/// PATH".
std::string read_file(const std::string& path);

/// The same, with what is wrong in `error`; then the text is empty.
std::string read_file(const std::string& path, std::error_code& error);

}  // namespace bullpen
