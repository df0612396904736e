#include "servers/cli/dialogue.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

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

void HttpAnswer::expect() {
    partial_head_.clear();
    begun_ = in_body_ = closes_ = false;
    status_ = 0;
    content_length_.reset();
    body_size_ = 0;
}

AnswerState HttpAnswer::take(std::string_view bytes) {
    begun_ = begun_ || !bytes.empty();
    if (!in_body_) {
        const bool whole = partial_head_.empty() && bytes.find(head_end) != std::string_view::npos;
        if (!whole) partial_head_ += bytes;  // Rare: a head almost always comes in one piece.
        const std::string_view received = whole ? bytes : partial_head_;
        const std::size_t end = received.find(head_end);
        if (end == std::string_view::npos)
            return received.size() > head_max ? AnswerState::wrong : AnswerState::incomplete;
        if (end > head_max || !read_head(received.substr(0, end))) return AnswerState::wrong;
        in_body_ = true;
        body_size_ = received.size() - end - head_end.size();
    } else {
        body_size_ += bytes.size();
    }
    if (!content_length_ || body_size_ < *content_length_) return AnswerState::incomplete;
    return body_size_ == *content_length_ && right(*content_length_) ? AnswerState::complete
                                                                     : AnswerState::wrong;
}

AnswerState HttpAnswer::end() const {
    if (!in_body_ || content_length_) return AnswerState::incomplete;
    return right(body_size_) ? AnswerState::complete : AnswerState::wrong;
}

bool HttpAnswer::right(std::uint64_t size) const {
    return status_ == 200 && (!expected_size_ || size == *expected_size_);
}

/// "HTTP/1.1 200 OK" and the fields that say where the answer ends. False if that can't be known.
bool HttpAnswer::read_head(std::string_view head) {
    const std::string_view status_line = head.substr(0, head.find("\r\n"));
    if (!status_line.starts_with("HTTP/1.") || status_line.size() < 12 || status_line[8] != ' ') return false;
    const auto status = whole_number<int>(status_line.substr(9, 3));
    if (!status) return false;
    closes_ = status_line[7] == '0';
    for (std::size_t at = status_line.size(); at < head.size();) {
        at += 2;
        const std::string_view line = head.substr(at, head.find("\r\n", at) - at);
        at += line.size();
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) return false;
        const std::string_view name = line.substr(0, colon);
        const std::string_view value = trimmed(line.substr(colon + 1));
        if (equal_ignoring_case(name, "Content-Length")) {
            content_length_ = whole_number<std::uint64_t>(value);
            if (!content_length_) return false;
        } else if (equal_ignoring_case(name, "Connection")) {
            closes_ = equal_ignoring_case(value, "close");
        } else if (equal_ignoring_case(name, "Transfer-Encoding")) {
            return false;
        }
    }
    status_ = *status;
    return true;
}

AnswerState EchoAnswer::take(std::string_view bytes) {
    if (std::string_view{message_}.substr(matched_, bytes.size()) != bytes) return AnswerState::wrong;
    matched_ += bytes.size();
    return matched_ == message_.size() ? AnswerState::complete : AnswerState::incomplete;
}

Dialogue http_dialogue(const std::string& host, const std::string& path,
                       std::optional<std::uint64_t> expected_size) {
    const std::string head = "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n";
    return {
        .request = head + "\r\n",
        .last_request = head + "Connection: close\r\n\r\n",
        .make_answer = [expected_size] { return std::make_unique<HttpAnswer>(expected_size); },
    };
}

Dialogue echo_dialogue(std::size_t message_size) {
    std::string message(message_size, ' ');
    for (std::size_t i = 0; i < message.size(); ++i)
        message[i] = static_cast<char>('a' + i % 26);
    return {
        .request = message,
        .last_request = message,
        .half_close = true,
        .make_answer = [message] { return std::make_unique<EchoAnswer>(message); },
    };
}

}  // namespace bullpen
