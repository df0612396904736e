#include "servers/bench/load/chunked_body.hpp"

#include <algorithm>
#include <limits>

namespace bullpen {
namespace {

int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

}  // namespace

AnswerState ChunkedBody::take(std::string_view bytes) {
    while (!bytes.empty()) {
        if (complete_) return AnswerState::wrong;
        if (at_ == At::data) {
            const auto part = std::min<std::uint64_t>(left_, bytes.size());
            bytes.remove_prefix(static_cast<std::size_t>(part));
            left_ -= part;
            size_ += part;
            if (left_ == 0) at_ = At::data_end;
        } else {
            if (!take_sign(bytes.front())) return AnswerState::wrong;
            bytes.remove_prefix(1);
        }
    }
    return complete_ ? AnswerState::complete : AnswerState::incomplete;
}

/// What stands around the data. A bare line feed ends a line too.
bool ChunkedBody::take_sign(char sign) {
    switch (at_) {
        case At::size:
            if (hex_value(sign) >= 0) return take_size_digit(sign);
            if (!any_digit_) return false;
            at_ = At::extension;
            [[fallthrough]];
        case At::extension:
            if (sign != '\n') return true;
            at_ = left_ > 0 ? At::data : At::trailer;
            any_digit_ = false;
            line_empty_ = true;
            return true;
        case At::data: break;
        case At::data_end:
            if (sign == '\n') at_ = At::size;
            return sign == '\n' || sign == '\r';
        case At::trailer:
            if (sign == '\n') {
                complete_ = line_empty_;
                line_empty_ = true;
            } else if (sign != '\r') {
                line_empty_ = false;
            }
            return true;
    }
    return false;
}

bool ChunkedBody::take_size_digit(char digit) {
    if (left_ > std::numeric_limits<std::uint64_t>::max() / 32) return false;
    left_ = left_ * 16 + static_cast<std::uint64_t>(hex_value(digit));
    any_digit_ = true;
    return true;
}

}  // namespace bullpen
