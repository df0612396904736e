#include "servers/services/head_reader.hpp"

#include <cstring>

#include "core/clock.hpp"

namespace bullpen::http {
namespace {

bool begins_with_bare_lf_line(std::string_view bytes) noexcept {
    const std::size_t line_feed = bytes.find('\n');
    return line_feed != std::string_view::npos && (line_feed == 0 || bytes[line_feed - 1] != '\r');
}

}  // namespace

HeadReader::Outcome HeadReader::next() {
    begin_ += std::exchange(head_size_, 0);
    const bool is_first = std::exchange(is_first_, false);
    if (!is_first && unused().empty() && !wait_for_request()) return Outcome::end;

    const TimePoint deadline = Clock::now() + limits_.head_timeout;
    std::size_t searched = 0;
    for (;;) {
        skip_empty_lines();
        constexpr std::string_view head_end = "\r\n\r\n";
        const std::size_t found = unused().find(head_end, searched - std::min(searched, head_end.size() - 1));
        if (line_is_too_long()) return Outcome::line_too_long;
        if (found != std::string_view::npos) {
            head_size_ = found + head_end.size();
            return Outcome::head;
        }
        if (begins_with_bare_lf_line(unused())) return Outcome::malformed;
        searched = unused().size();
        move_to_front();
        if (room().empty()) return Outcome::head_too_long;
        const std::size_t size = client_.read_before(room(), deadline);
        if (size == 0) return unused().empty() ? Outcome::end : Outcome::malformed;
        end_ += size;
    }
}

/// Between two requests. The buffer is empty.
bool HeadReader::wait_for_request() {
    begin_ = end_ = 0;
    const auto size = client_.read_next(room(), limits_.idle_timeout);
    end_ = size.value_or(0);
    return end_ > 0;
}

std::span<std::byte> HeadReader::room() noexcept {
    return std::as_writable_bytes(std::span{buffer_}).subspan(end_);
}

bool HeadReader::line_is_too_long() const noexcept {
    return std::min(unused().find("\r\n"), unused().size()) > limits_.request_line_max;
}

/// RFC 9112 2.2: some clients send an empty line behind a body that had none.
void HeadReader::skip_empty_lines() noexcept {
    while (unused().starts_with("\r\n"))
        begin_ += 2;
}

void HeadReader::move_to_front() noexcept {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
}

}  // namespace bullpen::http
