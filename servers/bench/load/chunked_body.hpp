/// The body of an HTTP answer that comes in chunks (RFC 9112 7.1).
#pragma once

#include <cstdint>
#include <string_view>

#include "servers/bench/load/answer_reader.hpp"

namespace bullpen {

/// Finds out where it ends, and counts its bytes without the framing.
class ChunkedBody {
public:
    AnswerState take(std::string_view bytes);
    [[nodiscard]] std::uint64_t size() const { return size_; }

private:
    enum class At { size, extension, data, data_end, trailer };
    bool take_size_digit(char digit);
    bool take_sign(char sign);

    At at_ = At::size;
    bool any_digit_ = false;
    bool line_empty_ = true;  ///< Of the trailer.
    bool complete_ = false;
    std::uint64_t left_ = 0;  ///< Of the present chunk.
    std::uint64_t size_ = 0;
};

}  // namespace bullpen
