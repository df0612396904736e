#include "servers/cli/server_answer.hpp"

#include <boost/json.hpp>
#include <stdexcept>
#include <string>

#include "pool/control_line.hpp"

namespace bullpen {

namespace json = boost::json;

json::value read_answer(std::string_view line) {
    boost::system::error_code error;
    json::value answer = json::parse(json::string_view{line.data(), line.size()}, error);
    const json::value* const version = error ? nullptr : answer.find_pointer("/version", error);
    if (version == nullptr) throw std::runtime_error{"the server's answer is none of bullpen's"};
    if (*version != control_version)
        throw std::runtime_error{"the server speaks version " + json::serialize(*version) +
                                 " of the control protocol, and this program version " +
                                 std::to_string(control_version)};
    const json::object& parts = answer.get_object();
    const json::value* const status = parts.if_contains("exit_status");
    const json::value* const message = parts.if_contains("message");
    if (status == nullptr || !status->is_int64() || message == nullptr || !message->is_string())
        throw std::runtime_error{"the server's answer is none of bullpen's"};
    return answer;
}

}  // namespace bullpen
