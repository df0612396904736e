#include "servers/bench/load/dialogue.hpp"

#include <utility>

#include "servers/bench/load/raw_answer.hpp"

namespace bullpen {
namespace {

std::string head_of(const LoadRequest& request) {
    std::string head = request.method + " " + request.path + " HTTP/1.1\r\nHost: " + request.host + "\r\n";
    for (const std::string& header : request.headers)
        head += header + "\r\n";
    if (request.body) head += "Content-Length: " + std::to_string(request.body->size()) + "\r\n";
    return head;
}

Dialogue http_dialogue(const LoadRequest& request, const HttpExpectation& expected) {
    const std::string head = head_of(request);
    const std::string body = request.body.value_or("");
    return {
        .request = head + "\r\n" + body,
        .last_request = head + "Connection: close\r\n\r\n" + body,
        .expected = expected,
        .make_answer = [] { return std::make_unique<HttpAnswerReader>(); },
    };
}

}  // namespace

Dialogue http_dialogue(const std::string& host, const std::string& path,
                       std::optional<std::uint64_t> expected_size) {
    return http_dialogue({.host = host, .path = path}, {.body_size = expected_size});
}

Dialogue http_dialogue(const LoadRequest& request) {
    return http_dialogue(request, {.any_status = true, .head_only = request.method == "HEAD"});
}

Dialogue echo_dialogue(std::size_t message_size) {
    std::string message(message_size, ' ');
    for (std::size_t i = 0; i < message.size(); ++i)
        message[i] = static_cast<char>('a' + i % 26);
    return echo_dialogue(std::move(message));
}

Dialogue echo_dialogue(std::string message) {
    return {
        .request = message,
        .last_request = std::move(message),
        .half_close = true,
        .make_answer = [] { return std::make_unique<EchoAnswer>(); },
    };
}

Dialogue until_end_dialogue(std::string message) {
    return {
        .request = message,
        .last_request = std::move(message),
        .make_answer = [] { return std::make_unique<UntilEndAnswer>(); },
    };
}

}  // namespace bullpen
