/// Conditions: under which state of what it asks for a request is to be answered (RFC 9110 13.1).
#pragma once

#include <string_view>

namespace bullpen::http {

/// A request's conditional headers, as views of its head; a header that it lacks is empty.
struct Conditions {
    std::string_view if_match{};
    std::string_view if_none_match{};
    std::string_view if_modified_since{};
    std::string_view if_unmodified_since{};
    std::string_view if_range{};
};

}  // namespace bullpen::http
