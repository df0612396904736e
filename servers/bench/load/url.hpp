/// Where `bullpen load` goes: http://HOST[:PORT][/PATH], tcp://HOST:PORT or unix:/path.
#pragma once

#include <string>
#include <string_view>

namespace bullpen {

struct Url {
    bool http = false;
    std::string address;    ///< As resolve() takes it.
    std::string host = {};  ///< http: as the Host field takes it.
    std::string path = {};  ///< http: with its query, "/" at least.
};

/// Throws std::invalid_argument, one sentence that quotes the text.
Url parse_url(std::string_view text);

/// Throws std::invalid_argument if the address of an HTTP URL would be taken for a UNIX socket's.
void check_host(const Url& url);

/// Throws std::invalid_argument, one sentence that begins with `place`: expected '/' and no blanks.
void check_path(std::string_view place, std::string_view path);

}  // namespace bullpen
