#include "core/http/response_head.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <stdexcept>

namespace bullpen::http {

ResponseHead::ResponseHead(std::span<char> room, std::string_view status_text) : room_{room} {
    append("HTTP/1.1 ");
    append(status_text);
    append("\r\n");
}

void ResponseHead::add(std::string_view name, std::string_view value) {
    append(name);
    append(": ");
    append(value);
    append("\r\n");
}

void ResponseHead::add(std::string_view name, std::uint64_t value) {
    std::array<char, 20> digits;
    const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    add(name, std::string_view{digits.data(), static_cast<std::size_t>(end - digits.data())});
}

void ResponseHead::add_server_lines() {
    add("Server", "bullpen");
    add("X-Content-Type-Options", "nosniff");
}

std::string_view ResponseHead::finish() {
    append("\r\n");
    return {room_.data(), size_};
}

void ResponseHead::append(std::string_view text) {
    if (text.size() > room_.size() - size_) throw std::length_error{"the response's head is too large"};
    std::memcpy(room_.data() + size_, text.data(), text.size());
    size_ += text.size();
}

}  // namespace bullpen::http
