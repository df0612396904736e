/// The HTTP answer to a client that is refused for overload. A constant, because the master sends it and runs
/// no client code.
#pragma once

#include <string_view>

namespace bullpen::http {

/// 503 (RFC 9110 15.6.4). It has no Date, which a 5xx needn't have (6.6.1).
constexpr std::string_view overload_answer =
    "HTTP/1.1 503 Service Unavailable\r\n"
    "Server: bullpen\r\n"
    "Retry-After: 1\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 24\r\n"
    "Connection: close\r\n"
    "\r\n"
    "503 Service Unavailable\n";

}  // namespace bullpen::http
