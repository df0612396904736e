/// Conditions: under which state of what it asks for a request is to be answered (RFC 9110 13.1).
#pragma once

#include "core/http/field_lines.hpp"

namespace bullpen::http {

/// A request's conditional headers.
struct Conditions {
    FieldLines if_match{};
    FieldLines if_none_match{};
    FieldLines if_modified_since{};
    FieldLines if_unmodified_since{};
    FieldLines if_range{};
};

}  // namespace bullpen::http
