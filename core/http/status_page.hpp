/// A status page: the answer that only shows its status.
#pragma once

#include <string>
#include <string_view>

#include "core/http/http_status.hpp"
#include "core/http/response_head.hpp"

namespace bullpen::http {

constexpr std::string_view implemented_methods = "GET, HEAD, OPTIONS";

struct StatusPage {
    static constexpr std::string_view type = "text/plain; charset=utf-8";

    [[nodiscard]] static std::string text(Status status);

    /// Adds the lines that an answer with this status owes to its client.
    static void add_lines(ResponseHead& head, Status status);
};

/// The whole answer, after which the connection is closed. It has no Date: whoever sends it later than it was
/// made has no other to put in, and a 5xx needn't have one (RFC 9110 6.6.1).
[[nodiscard]] std::string undated_answer(Status status);

}  // namespace bullpen::http
