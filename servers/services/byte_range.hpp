/// Byte ranges: the part of a file that a request asks for (RFC 9110 14).
#pragma once

#include <cstdint>
#include <string_view>

namespace bullpen::http {

struct ByteRange {
    enum class Kind {
        whole,          ///< No range, or one to be ignored: malformed, not in bytes, or several ranges.
        part,           ///< [first, first + count)
        unsatisfiable,  ///< The range begins at or beyond the file's end.
    };
    Kind kind = Kind::whole;
    std::uint64_t first = 0;
    std::uint64_t count = 0;
};

/// What a Range header ("bytes=0-99", "bytes=100-", "bytes=-5") means for a file of `size` bytes. One range
/// beside empty elements ("bytes=0-99,") is one range.
ByteRange parse_byte_range(std::string_view header, std::uint64_t size) noexcept;

}  // namespace bullpen::http
