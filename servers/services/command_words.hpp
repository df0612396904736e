/// The words of a command line, without a shell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bullpen {

/// Words are separated by blanks and newlines. Within '…' every byte stands for itself; within "…", and
/// outside of both, a backslash takes the next byte as it is. Nothing else has a meaning: no variables, no
/// patterns, no redirection. Throws std::invalid_argument, one sentence: a quote without its end, a NUL byte.
std::vector<std::string> command_words(std::string_view line);

}  // namespace bullpen
