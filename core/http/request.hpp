/// A request: what the head of one HTTP request says.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "core/http/conditions.hpp"
#include "core/http/field_lines.hpp"
#include "core/http/http_status.hpp"

namespace bullpen::http {

enum class Method : std::uint8_t {
    get,
    head,
    options,
    connect,
    other,    ///< A registered method that doesn't apply to files.
    unknown,  ///< Any other word.
};

/// All views are of the head from which the request was parsed.
struct Request {
    Method method = Method::unknown;
    std::string_view target;
    bool is_http_1_0 = false;
    bool keep_alive = false;  ///< By version and Connection header, the client may send another request.
    bool has_body = false;    ///< A body follows the head.
    std::uint64_t content_length = 0;  ///< 0 also if the body is chunked.
    bool expects_continue = false;     ///< The client may wait for a 100 (Continue), or for a final answer.
    std::string_view range;
    FieldLines accept_encoding;
    Conditions conditions;
};

/// Parses a whole head, from its first line to its empty line. If it is no HTTP/1 request that can be served,
/// returns the status to answer with. HTTP/1.2 to 1.9 are read as 1.1 (RFC 9110 2.5).
std::variant<Request, Status> parse_request(std::string_view head);

}  // namespace bullpen::http
