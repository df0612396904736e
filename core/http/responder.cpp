#include "core/http/responder.hpp"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <variant>

#include "core/http/http_date.hpp"
#include "core/http/status_page.hpp"
#include "core/log.hpp"

namespace bullpen::http {
namespace {

bool may_be_thrown_away(const Request& request) noexcept {
    return request.content_length > 0 && request.content_length <= Responder::request_body_max &&
           !request.expects_continue;
}

}  // namespace

Answer Responder::answer(HeadBuffer::Outcome found, std::string_view head, bool has_more, bool draining) {
    using Outcome = HeadBuffer::Outcome;
    if (found == Outcome::line_too_long) return refuse(Status::uri_too_long);
    if (found == Outcome::head_too_long) return refuse(Status::head_too_large);
    if (found != Outcome::head) return refuse(Status::bad_request);

    const std::variant<Request, Status> parsed = parse_request(head);
    const Request* request = std::get_if<Request>(&parsed);
    if (request == nullptr) return refuse(std::get<Status>(parsed));
    client_keeps_alive_ = request->keep_alive;
    keep_alive_ = request->keep_alive && (!request->has_body || may_be_thrown_away(*request)) && !draining;
    linger_ = request->has_body || has_more;
    request_body_size_ = keep_alive_ ? static_cast<std::uint32_t>(request->content_length) : 0;
    is_http_1_0_ = request->is_http_1_0;
    is_head_ = request->method == Method::head;
    target_ = request->target;
    return answer_or_status([&] { return answer_request(*request, head); });
}

Answer Responder::answer_body(std::string_view body, bool has_more, bool draining) {
    keep_alive_ = client_keeps_alive_ && !draining;
    linger_ = has_more;
    request_body_size_ = 0;
    return answer_or_status([&] { return answer_with(body); });
}

/// Nothing has been sent yet: the client is owed an answer, whatever happens here.
template <typename Make>
Answer Responder::answer_or_status(Make make) {
    try {
        return make();
    } catch (const std::bad_alloc& error) {
        return answer_trouble(Status::unavailable, error.what());
    } catch (const std::system_error& error) {
        return answer_trouble(status_of_trouble(error.code().value()), error.what());
    } catch (const std::exception& error) {
        return answer_trouble(Status::internal_error, error.what());
    }
}

Answer Responder::answer_trouble(Status status, const char* what) {
    log(LogLevel::warning,
        "answered " + std::string{status_text(status)} + " for " + std::string{target_} + ": " + what);
    return status_page(status);
}

/// The last answer of a connection, to bytes that are no valid request: where the next begins is unknown.
Answer Responder::refuse(Status error) {
    is_head_ = false;
    return refuse_body(error);
}

Answer Responder::refuse_body(Status error) {
    keep_alive_ = false;
    linger_ = true;
    request_body_size_ = 0;
    return status_page(error);
}

ResponseHead Responder::begin(std::string_view status_text) {
    ResponseHead head{buffer_, status_text};
    head.add_server_lines();
    head.add("Date", http_date_now());
    if (!keep_alive_) head.add("Connection", "close");
    if (keep_alive_ && is_http_1_0_) head.add("Connection", "keep-alive");
    return head;
}

Answer Responder::finish(ResponseHead& head) {
    return {.bytes = head.finish(),
            .keep_alive = keep_alive_,
            .linger = linger_,
            .request_body_size = request_body_size_};
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

Answer Responder::page(Status status, std::string_view type, std::string_view body) {
    ResponseHead head = begin(status);
    return finish(head, Page{.text = body, .type = type});
}

Answer Responder::finish(ResponseHead& head, const Page& page) {
    head.add("Content-Type", page.type);
    head.add("Content-Length", page.text.size());
    if (page.text.size() <= small_body_max) return finish(head, page.text);
    Answer answer = finish(head);
    if (is_head_) return answer;
    answer.body = page.text;
    answer.body_size = page.text.size();
    return answer;
}

Answer Responder::status_page(Status status) {
    ResponseHead head = begin(status);
    StatusPage::add_lines(head, status);
    return status_page(head, status);
}

Answer Responder::status_page(ResponseHead& head, Status status) {
    if (const std::optional<Page> page = page_for(status)) return finish(head, *page);
    return finish(head, Page{.text = StatusPage::text(status), .type = StatusPage::type});
}

Status Responder::status_of_trouble(int error) noexcept {
    switch (error) {
        case EACCES:
        case EPERM: return Status::forbidden;
        case EAGAIN:
        case EMFILE:
        case ENFILE:
        case ENOMEM: return Status::unavailable;
        default: return Status::internal_error;
    }
}

}  // namespace bullpen::http
