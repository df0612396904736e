/// What a command answers: all of it is written, or the command has failed.
#pragma once

#include <unistd.h>

#include <string>
#include <string_view>

namespace bullpen {

/// Writes the whole text to a descriptor (borrowed); waits as long as its reader does. Throws
/// std::system_error "cannot write NAME: …".
void write_whole(int fd, std::string_view text, const std::string& name);

/// Writes a command's answer to stdout. Throws std::system_error, as write_whole().
void print(std::string_view text);

}  // namespace bullpen
