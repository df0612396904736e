/// Content codings: files that lie compressed beside a file (RFC 9110 8.4 and 12.5.3).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/field_lines.hpp"

namespace bullpen::http {

enum class ContentCoding : std::uint8_t { identity, brotli, zstd, gzip };

std::string_view name_of(ContentCoding coding) noexcept;    ///< "br", as headers have it; identity is "".
std::string_view suffix_of(ContentCoding coding) noexcept;  ///< ".br", as files have it.

/// Several codings, the best first.
struct ContentCodings {
    std::vector<ContentCoding> codings{};

    /// Reads "br,zst,gz" in any order, or "off". Throws std::invalid_argument: one sentence.
    static ContentCodings parse(std::string_view text);
    [[nodiscard]] std::string text() const;
};

/// Those of `offered` that a client prefers to the plain file, the best first. Of codings that it likes
/// equally the one offered first is the best.
ContentCodings preferred(const FieldLines& accept_encoding, const ContentCodings& offered);

}  // namespace bullpen::http
