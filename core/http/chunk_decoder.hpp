/// A chunk decoder: takes the chunked coding (RFC 9112 7.1) off a request's body. Does no I/O.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bullpen::http {

/// Strict, so that no proxy sees another end of the body than this server: each line ends with CR LF, a size
/// is 1 to 16 hexadecimal digits, and blanks stand behind it only before an extension. Extensions and the
/// trailer section are passed over.
class ChunkDecoder {
public:
    static constexpr std::size_t extensions_max = 4 * 1024;  ///< Bytes, of all chunks of a body.
    static constexpr std::size_t trailers_max = 8 * 1024;    ///< Bytes.

    enum class Outcome {
        more,       ///< At least least_left() bytes are still to come.
        whole,      ///< The body has ended.
        too_long,   ///< The body exceeds its limit: so the size of the last chunk says.
        malformed,  ///< Or the extensions or trailers exceed theirs.
    };

    explicit ChunkDecoder(std::size_t body_max) noexcept
        : body_left_{std::min<std::size_t>(body_max, SIZE_MAX / 2)} {}

    /// Appends what `bytes` have of the content to `body`. Returns how many bytes it has used: all, unless
    /// outcome() is another than `more`. Throws std::bad_alloc.
    std::size_t decode(std::string_view bytes, std::string& body);

    [[nodiscard]] Outcome outcome() const noexcept;

    /// A body that goes on has at least this many more bytes: a reader that asks for no more takes nothing of
    /// the next request.
    [[nodiscard]] std::size_t least_left() const noexcept;

private:
    enum class State : std::uint8_t {
        size_begin,
        size,
        blanks,  ///< Behind a size, before an extension.
        extension,
        size_end,  ///< Before the LF of a size's line; so are the others.
        data,
        data_cr,
        data_end,
        trailer_begin,
        trailer,
        trailer_end,
        last_end,
        whole,
        too_long,
        malformed,
    };

    [[nodiscard]] State next(char c) noexcept;
    [[nodiscard]] State after_size(char c) noexcept;
    [[nodiscard]] State add_digit(char c) noexcept;
    [[nodiscard]] State in_extension(char c) noexcept;
    [[nodiscard]] State in_trailer(char c) noexcept;
    [[nodiscard]] State begin_data() noexcept;

    State state_ = State::size_begin;
    int digits_ = 0;
    std::uint64_t chunk_left_ = 0;
    std::size_t body_left_;
    std::size_t extensions_ = 0;
    std::size_t trailers_ = 0;
};

}  // namespace bullpen::http
