/// A response head: written into a buffer that its caller owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/http/http_status.hpp"

namespace bullpen::http {

/// Names and values are written without escaping: text from a client must be percent-encoded first. Throws
/// std::length_error when the buffer is full.
class ResponseHead {
public:
    ResponseHead(std::span<char> room, Status status) : ResponseHead{room, status_text(status)} {}

    /// `status_text`: the code and its phrase.
    ResponseHead(std::span<char> room, std::string_view status_text);

    void add(std::string_view name, std::string_view value);
    void add(std::string_view name, std::uint64_t value);

    /// Adds the lines that every answer has and that never change.
    void add_server_lines();

    /// Adds whole header lines, each with its CRLF, as an earlier head had them.
    void add_lines(std::string_view lines) { append(lines); }

    /// The bytes that are written so far.
    [[nodiscard]] std::string_view text() const noexcept { return {room_.data(), size_}; }

    /// Adds the empty line and returns the whole head.
    std::string_view finish();

private:
    void append(std::string_view text);

    std::span<char> room_;
    std::size_t size_ = 0;
};

}  // namespace bullpen::http
