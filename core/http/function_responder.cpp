#include "core/http/function_responder.hpp"

#include <strings.h>

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "core/http/reason_phrase.hpp"
#include "core/http/request_target.hpp"
#include "core/http/token.hpp"

namespace bullpen::http {
namespace {

constexpr std::array<std::string_view, 10> written_by_us{
    "Connection", "Content-Length", "Content-Type",      "Date",    "Keep-Alive",
    "Server",     "Trailer",        "Transfer-Encoding", "Upgrade", "X-Content-Type-Options"};

bool is_written_by_us(std::string_view name) noexcept {
    return std::any_of(written_by_us.begin(), written_by_us.end(), [name](std::string_view ours) {
        return ours.size() == name.size() && ::strncasecmp(ours.data(), name.data(), name.size()) == 0;
    });
}

/// Whether the text can stand in one line of a head (RFC 9110 5.5).
bool is_field_value(std::string_view text) noexcept {
    return std::none_of(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f';
    });
}

/// What is wrong with an answer; empty: nothing.
std::string complaint_about(const HttpAnswer& answer) {
    if (answer.status < 200 || answer.status > 599)
        return "status " + std::to_string(answer.status) + " is not one from 200 to 599";
    if (!is_field_value(answer.content_type)) return "the content type has a control character";
    for (const auto& [name, value] : answer.fields) {
        if (!is_token(name)) return "a field's name is not a token (RFC 9110 5.6.2): '" + name + "'";
        if (is_written_by_us(name)) return "the field " + name + " is not the function's to set";
        if (!is_field_value(value)) return "the field " + name + " has a control character in its value";
    }
    return {};
}

/// RFC 9110 9.2.1: a client may have them done again.
bool is_safe(std::string_view method) noexcept {
    return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE";
}

/// RFC 9110 6.4.1.
bool may_have_body(int status) noexcept {
    return status != 204 && status != 205 && status != 304;
}

/// The lines of a head behind its first.
std::string_view field_lines(std::string_view head) noexcept {
    constexpr std::string_view line_end = "\r\n";
    const std::size_t begin = head.find(line_end) + line_end.size();
    return head.substr(begin, head.size() - line_end.size() - begin);
}

}  // namespace

Answer FunctionResponder::answer_request(const Request& request, std::string_view head) {
    if (request.method == Method::connect) return status_page(Status::not_implemented);
    if (!set_target(request)) return status_page(Status::bad_request);
    request_.method = head.substr(0, head.find(' '));
    request_.fields = HttpFields{field_lines(head)};
    if (!request.has_body && is_safe(request_.method)) return answer_with({});
    const std::size_t size_max = handler_.options().body_max;
    if (request.content_length > size_max) return refuse_body(Status::content_too_large);
    Answer later;
    later.body_wanted = BodyWanted{.is_chunked = request.has_body && request.content_length == 0,
                                   .size = static_cast<std::size_t>(request.content_length),
                                   .size_max = size_max,
                                   .expects_continue = request.expects_continue && !request.is_http_1_0};
    return later;
}

bool FunctionResponder::set_target(const Request& request) {
    request_.target = request.target;
    request_.query = {};
    path_ = "*";
    if (request.method != Method::options || request.target != "*") {
        const auto target = parse_request_target(request.target);
        if (!target || target->has_dot_segments) return false;
        path_ = "/" + target->path;
        request_.query = target->query.substr(std::min<std::size_t>(target->query.size(), 1));
    }
    request_.path = path_;
    return true;
}

Answer FunctionResponder::answer_with(std::string_view body) {
    request_.body = body;
    request_.peer = client_.peer_address();
    try {
        const HttpAnswer given = handler_.answer(request_);
        const std::string wrong = complaint_about(given);
        if (wrong.empty()) return to_answer(given);
        return answer_trouble(Status::internal_error,
                              ("the function's answer can't be sent: " + wrong).c_str());
    } catch (const std::exception& error) {
        return answer_trouble(Status::internal_error, error.what());
    } catch (...) {
        return answer_trouble(Status::internal_error, "the function threw a non-std exception");
    }
}

Answer FunctionResponder::to_answer(const HttpAnswer& given) {
    ResponseHead head = begin(std::to_string(given.status) + " " + std::string{reason_phrase(given.status)});
    for (const auto& [name, value] : given.fields)
        head.add(name, value);
    if (!may_have_body(given.status)) {
        if (given.status == 205) head.add("Content-Length", std::uint64_t{0});
        return finish(head);
    }
    if (!given.content_type.empty()) head.add("Content-Type", given.content_type);
    head.add("Content-Length", given.body.size());
    return with_body(head, given.body);
}

/// In one piece, which a client that takes it slowly finds in a file: the function isn't called again.
Answer FunctionResponder::with_body(ResponseHead& head, std::string_view body) {
    if (is_head() || body.size() <= small_body_max) return finish(head, body);
    Answer answer = finish(head);
    whole_.clear();
    whole_.reserve(answer.bytes.size() + body.size());
    whole_.append(answer.bytes).append(body);
    answer.bytes = whole_;
    return answer;
}

}  // namespace bullpen::http
