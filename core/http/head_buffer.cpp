#include "core/http/head_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace bullpen::http {
namespace {

bool begins_with_bare_lf_line(std::string_view bytes) noexcept {
    const std::size_t line_feed = bytes.find('\n');
    return line_feed != std::string_view::npos && (line_feed == 0 || bytes[line_feed - 1] != '\r');
}

}  // namespace

bool HeadBuffer::begin_next() noexcept {
    begin_ += std::exchange(head_size_, 0);
    searched_ = 0;
    if (!unused().empty()) return false;
    begin_ = end_ = 0;
    return true;
}

std::optional<HeadBuffer::Outcome> HeadBuffer::find_head() noexcept {
    skip_empty_lines();
    constexpr std::string_view head_end = "\r\n\r\n";
    const std::size_t found = unused().find(head_end, searched_ - std::min(searched_, head_end.size() - 1));
    if (line_is_too_long()) return Outcome::line_too_long;
    if (found != std::string_view::npos) {
        head_size_ = found + head_end.size();
        return Outcome::head;
    }
    if (begins_with_bare_lf_line(unused())) return Outcome::malformed;
    searched_ = unused().size();
    move_to_front();
    if (room().empty()) return Outcome::head_too_long;
    return {};
}

HeadBuffer::Outcome HeadBuffer::outcome_at_end() const noexcept {
    return unused().empty() ? Outcome::end : Outcome::malformed;
}

std::span<std::byte> HeadBuffer::room() noexcept {
    return bytes().subspan(end_);
}

bool HeadBuffer::line_is_too_long() const noexcept {
    return std::min(unused().find("\r\n"), unused().size()) > request_line_max_;
}

/// RFC 9112 2.2: some clients send an extra empty line after a body.
void HeadBuffer::skip_empty_lines() noexcept {
    while (unused().starts_with("\r\n"))
        begin_ += 2;
}

void HeadBuffer::move_to_front() noexcept {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
}

}  // namespace bullpen::http
