#include "servers/bench/load/http_answer.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "servers/bench/load/dialogue.hpp"

namespace bullpen {
namespace {

constexpr std::string_view head_end = "\r\n\r\n";

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

template <typename Number>
std::optional<Number> whole_number(std::string_view text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

}  // namespace

void HttpAnswer::expect(const Dialogue& dialogue) {
    expect(dialogue.expected);
}

void HttpAnswer::expect(const HttpExpectation& expected) {
    expected_ = expected;
    partial_head_.clear();
    begun_ = in_body_ = closes_ = false;
    status_ = 0;
    content_length_.reset();
    chunks_.reset();
    body_size_ = 0;
}

AnswerState HttpAnswer::take(std::string_view bytes) {
    begun_ = begun_ || !bytes.empty();
    if (in_body_) return take_body(bytes);
    const bool whole = partial_head_.empty() && bytes.find(head_end) != std::string_view::npos;
    if (!whole) partial_head_ += bytes;  // Rare: a head almost always comes in one piece.
    const std::string_view received = whole ? bytes : partial_head_;
    const std::size_t end = received.find(head_end);
    if (end == std::string_view::npos)
        return received.size() > head_max ? AnswerState::wrong : AnswerState::incomplete;
    if (end > head_max || !read_head(received.substr(0, end))) return AnswerState::wrong;
    const std::string_view rest = received.substr(end + head_end.size());
    if (status_ / 100 == 1) {  // Interim: the real answer follows (RFC 9110 15.2).
        const std::string following{rest};
        expect(HttpExpectation{expected_});
        begun_ = true;
        return take(following);
    }
    in_body_ = true;
    return take_body(rest);
}

AnswerState HttpAnswer::take_body(std::string_view bytes) {
    if (expected_.head_only || status_ == 204 || status_ == 304)
        return bytes.empty() ? judge() : AnswerState::wrong;
    if (chunks_) {
        const AnswerState state = chunks_->take(bytes);
        body_size_ = chunks_->size();
        return state == AnswerState::complete ? judge() : state;
    }
    body_size_ += bytes.size();
    if (!content_length_ || body_size_ < *content_length_) return AnswerState::incomplete;
    return body_size_ == *content_length_ ? judge() : AnswerState::wrong;
}

AnswerState HttpAnswer::end() const {
    if (!in_body_ || content_length_ || chunks_) return AnswerState::incomplete;
    return judge();
}

AnswerState HttpAnswer::judge() const {
    const bool right = (expected_.any_status || status_ == 200) &&
                       (!expected_.body_size || body_size_ == *expected_.body_size);
    return right ? AnswerState::complete : AnswerState::wrong;
}

/// "HTTP/1.1 200 OK" and the fields that say where the answer ends. False if that can't be known.
bool HttpAnswer::read_head(std::string_view head) {
    const std::string_view status_line = head.substr(0, head.find("\r\n"));
    if (!status_line.starts_with("HTTP/1.") || status_line.size() < 12 || status_line[8] != ' ') return false;
    const auto status = whole_number<int>(status_line.substr(9, 3));
    if (!status || *status < 100) return false;
    closes_ = status_line[7] == '0';
    for (std::size_t at = status_line.size(); at < head.size();) {
        at += 2;
        const std::string_view line = head.substr(at, head.find("\r\n", at) - at);
        at += line.size();
        if (!read_field(line)) return false;
    }
    status_ = *status;
    return true;
}

bool HttpAnswer::read_field(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (equal_ignoring_case(name, "Content-Length")) {
        content_length_ = whole_number<std::uint64_t>(value);
        return content_length_.has_value();
    }
    if (equal_ignoring_case(name, "Connection")) closes_ = equal_ignoring_case(value, "close");
    if (equal_ignoring_case(name, "Transfer-Encoding")) {
        chunks_.emplace();
        return equal_ignoring_case(value, "chunked");
    }
    return true;
}

}  // namespace bullpen
