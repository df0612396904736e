#include "core/http/responder.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <variant>

#include "core/http/http_date.hpp"

namespace bullpen::http {

Answer Responder::answer(HeadBuffer::Outcome found, std::string_view head, bool has_more, bool draining) {
    using Outcome = HeadBuffer::Outcome;
    if (found == Outcome::line_too_long) return refuse(Status::uri_too_long);
    if (found == Outcome::head_too_long) return refuse(Status::head_too_large);
    if (found != Outcome::head) return refuse(Status::bad_request);

    const std::variant<Request, Status> parsed = parse_request(head);
    const Request* request = std::get_if<Request>(&parsed);
    if (request == nullptr) return refuse(std::get<Status>(parsed));
    keep_alive_ = request->keep_alive && !request->has_body && !draining;
    linger_ = request->has_body || has_more;
    is_http_1_0_ = request->is_http_1_0;
    is_head_ = request->method == Method::head;
    return answer(*request);
}

Answer Responder::answer(const Request& request) {
    if (request.method == Method::unknown) return status_page(Status::not_implemented);
    if (request.method == Method::other) return status_page(Status::method_not_allowed);
    const auto target = parse_request_target(request.target);
    if (!target) return status_page(Status::bad_request);
    return respond(request, *target);
}

/// The last answer of a connection, to bytes that are no valid request: where the next begins is unknown.
Answer Responder::refuse(Status error) {
    keep_alive_ = false;
    linger_ = true;
    is_head_ = false;
    return status_page(error);
}

ResponseHead Responder::begin(Status status) {
    ResponseHead head{buffer_, status};
    head.add("Server", "bullpen");
    head.add("Date", http_date_now());
    head.add("X-Content-Type-Options", "nosniff");
    if (!keep_alive_) head.add("Connection", "close");
    if (keep_alive_ && is_http_1_0_) head.add("Connection", "keep-alive");
    return head;
}

Answer Responder::finish(ResponseHead& head) {
    return {.bytes = head.finish(), .keep_alive = keep_alive_, .linger = linger_};
}

Answer Responder::finish(ResponseHead& head, std::string_view body) {
    Answer answer;
    const std::span<char> place = finish(head, body.size(), answer);
    std::copy_n(body.data(), place.size(), place.data());
    return answer;
}

std::span<char> Responder::finish(ResponseHead& head, std::size_t body_size, Answer& answer) {
    answer = finish(head);
    if (is_head_) return {};
    const std::span<char> room = std::span{buffer_}.subspan(answer.bytes.size());
    if (body_size > room.size()) throw std::length_error{"the response's body is too large for its buffer"};
    answer.bytes = {buffer_.data(), answer.bytes.size() + body_size};
    return room.first(body_size);
}

Answer Responder::status_page(Status status) {
    ResponseHead head = begin(status);
    if (status == Status::method_not_allowed) head.add("Allow", "GET, HEAD");
    return status_page(head, status);
}

Answer Responder::status_page(ResponseHead& head, Status status) {
    const std::string text = std::string{status_text(status)} + "\n";
    head.add("Content-Type", "text/plain; charset=utf-8");
    head.add("Content-Length", text.size());
    return finish(head, text);
}

}  // namespace bullpen::http
