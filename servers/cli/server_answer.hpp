/// The answer of a server's control socket, checked.
#pragma once

#include <boost/json/value.hpp>
#include <string_view>

namespace bullpen {

/// The parsed line of an answer, with its "exit_status" and "message". Throws std::runtime_error, one
/// sentence, if it is none of this version of the protocol.
boost::json::value read_answer(std::string_view line);

}  // namespace bullpen
