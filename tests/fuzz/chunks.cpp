/// Chunked bodies: the first byte says in pieces of which size they come.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/chunk_decoder.hpp"
#include "tests/fuzz/property.hpp"

using bullpen::http::ChunkDecoder;
using Outcome = ChunkDecoder::Outcome;

namespace {

constexpr std::size_t body_max = 1000;

struct Decoded {
    Outcome outcome = Outcome::more;
    std::size_t used = 0;
    std::string body{};

    bool operator==(const Decoded&) const = default;
};

/// With pieces of at most this size, or, if 0, of those that a reader asks for who takes nothing behind the
/// body.
Decoded decode(std::string_view bytes, std::size_t piece) {
    ChunkDecoder decoder{body_max};
    Decoded decoded;
    while (decoded.used < bytes.size() && decoder.outcome() == Outcome::more) {
        const std::size_t wanted = piece == 0 ? decoder.least_left() : piece;
        must(wanted > 0, "a body that goes on has more bytes");
        const std::string_view next = bytes.substr(decoded.used, wanted);
        const std::size_t used = decoder.decode(next, decoded.body);
        must(used > 0 && used <= next.size(), "a decoder uses what it is given");
        must(used == next.size() || decoder.outcome() != Outcome::more,
             "it uses all that belongs to the body");
        must(piece > 0 || used == next.size() || decoder.outcome() != Outcome::whole,
             "a reader takes nothing behind the body");
        decoded.used += used;
    }
    must((decoder.least_left() > 0) == (decoder.outcome() == Outcome::more), "what ends has nothing left");
    decoded.outcome = decoder.outcome();
    must(decoded.body.size() <= body_max, "no body is longer than its limit");
    return decoded;
}

/// The content in chunks of this size.
std::string encode(std::string_view content, std::size_t chunk) {
    std::string text;
    for (; !content.empty(); content.remove_prefix(std::min(chunk, content.size()))) {
        const std::string_view data = content.substr(0, chunk);
        std::array<char, 16> digits;
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), data.size(), 16).ptr;
        text.append(digits.data(), end).append("\r\n").append(data).append("\r\n");
    }
    return text + "0\r\n\r\n";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t piece = 1 + data[0] % 64U;
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    const Decoded whole = decode(text, SIZE_MAX);
    must(decode(text, piece) == whole, "pieces of any size give the same");
    must(decode(text, 0) == whole, "so do those that are asked for");
    must(whole.outcome != Outcome::whole || text.substr(0, whole.used).ends_with("\r\n\r\n"),
         "a body ends with an empty line");
    const std::string_view content = text.substr(0, body_max);
    const std::string encoded = encode(content, piece);
    must(decode(encoded + std::string{text}, piece) ==
             Decoded{.outcome = Outcome::whole, .used = encoded.size(), .body = std::string{content}},
         "what is encoded is decoded, whatever follows it");
    return 0;
}
