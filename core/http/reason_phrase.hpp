/// The phrases behind the status codes of answers that a user's function gives.
#pragma once

#include <string_view>

namespace bullpen::http {

/// "Not Found" for 404: as IANA's registry of status codes has it; empty for a code that isn't there.
std::string_view reason_phrase(int status) noexcept;

}  // namespace bullpen::http
