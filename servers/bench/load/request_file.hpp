/// A file of HTTP requests, for `bullpen load --request-file`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bullpen {

/// One line: [METHOD] PATH [weight=N] [class=NAME]. Empty lines and those that begin with # say nothing.
struct RequestLine {
    std::string method;  ///< Empty: the one that is given elsewhere.
    std::string path;
    unsigned weight = 1;
    std::string name = "all";  ///< Of its class.
};

/// Throws std::invalid_argument, one sentence that names the file and the line.
std::vector<RequestLine> parse_request_lines(std::string_view text, const std::string& file);

}  // namespace bullpen
