/// One HTTP request without its body: what its head says.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "servers/services/http_status.hpp"
#include "servers/services/validator.hpp"

namespace bullpen::http {

enum class Method : std::uint8_t {
    get,
    head,
    other,    ///< A registered method that isn't for files.
    unknown,  ///< None that we have heard of.
};

/// All views are of the head that it was parsed from.
struct Request {
    Method method = Method::unknown;
    std::string_view target;
    bool is_http_1_0 = false;
    bool keep_alive = false;  ///< By version and Connection header: the client would send another.
    bool has_body = false;    ///< A body follows the head.
    std::string_view range;
    Conditions conditions;
};

/// Reads a whole head, from its first line to its empty line. What is no HTTP/1 request is answered with the
/// status that comes back instead.
std::variant<Request, Status> parse_request(std::string_view head);

}  // namespace bullpen::http
