#include "core/http/head_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace bullpen::http {
namespace {

/// Looks at the bytes from `begin` on.
bool has_line_without_cr(std::string_view bytes, std::size_t begin) noexcept {
    for (std::size_t at = begin; (at = bytes.find('\n', at)) != std::string_view::npos; ++at)
        if (at == 0 || bytes[at - 1] != '\r') return true;
    return false;
}

}  // namespace

std::size_t HeadBuffer::skip_body(std::size_t size) noexcept {
    body_size_ = std::min(size, unused().size() - head_size_);
    return body_size_;
}

bool HeadBuffer::begin_next() noexcept {
    begin_ += std::exchange(head_size_, 0) + std::exchange(body_size_, 0);
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
    if (has_line_without_cr(unused(), searched_))
        return Outcome::malformed;  // No end of a head would ever come.
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
    constexpr std::string_view empty_line = "\r\n";
    while (unused().starts_with(empty_line)) {
        begin_ += empty_line.size();
        searched_ -= std::min(searched_, empty_line.size());
    }
}

void HeadBuffer::move_to_front() noexcept {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
}

}  // namespace bullpen::http
