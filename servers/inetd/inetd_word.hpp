/// Sentences about a word of inetd.conf that is wrong.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bullpen {

/// The word in quotes as one line of UTF-8, its first 80 bytes at most: 'strem'.
std::string quoted(std::string_view word);

/// "stream, dgram or seqpacket"
std::string any_of(const std::vector<std::string_view>& words);

/// "'strem' is not a socket type; expected stream, dgram or seqpacket (did you mean stream?)". `kind` has its
/// article.
std::string not_one_of(std::string_view word, std::string_view kind,
                       const std::vector<std::string_view>& allowed);

}  // namespace bullpen
