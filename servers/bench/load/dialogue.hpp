/// What the load client and a service say to each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "servers/bench/load/http_answer_reader.hpp"

namespace bullpen {

/// Request by request: `request` while more will follow on the connection, `last_request` when none will.
/// After the last answer the client waits for the server to close, so that TIME_WAIT is the server's.
struct Dialogue {
    std::string request;
    std::string last_request;
    bool half_close =
        false;  ///< The client ends its side after the last request; else the server must see it end.
    HttpExpectation expected = {};  ///< http only.
    std::function<std::unique_ptr<AnswerReader>()> make_answer;
};

Dialogue http_dialogue(const std::string& host, const std::string& path,
                       std::optional<std::uint64_t> expected_size);

/// What an HTTP client may say beyond that. A header is "Name: value".
struct LoadRequest {
    std::string method = "GET";
    std::string host = "localhost";
    std::string path = "/";
    std::vector<std::string> headers = {};
    std::optional<std::string> body = {};
};

/// Any complete answer is taken; what its status means is the caller's affair.
Dialogue http_dialogue(const LoadRequest& request);

Dialogue echo_dialogue(std::size_t message_size);
Dialogue echo_dialogue(std::string message);

/// The answer is whatever comes until the server closes.
Dialogue until_end_dialogue(std::string message);

}  // namespace bullpen
