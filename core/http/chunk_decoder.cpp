#include "core/http/chunk_decoder.hpp"

#include <algorithm>

namespace bullpen::http {
namespace {

constexpr int digits_max = 16;

/// -1: not one.
int hexadecimal(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t';
}

bool is_control(char c) noexcept {
    return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f';
}

}  // namespace

std::size_t ChunkDecoder::decode(std::string_view bytes, std::string& body) {
    std::size_t used = 0;
    while (used < bytes.size() && outcome() == Outcome::more) {
        if (state_ != State::data) {
            state_ = next(bytes[used++]);
            continue;
        }
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_left_, bytes.size() - used));
        body.append(bytes, used, size);
        used += size;
        chunk_left_ -= size;
        if (chunk_left_ == 0) state_ = State::data_cr;
    }
    return used;
}

ChunkDecoder::Outcome ChunkDecoder::outcome() const noexcept {
    switch (state_) {
        case State::whole: return Outcome::whole;
        case State::too_long: return Outcome::too_long;
        case State::malformed: return Outcome::malformed;
        default: return Outcome::more;
    }
}

/// Behind a chunk comes at least the last one, "0", and an empty trailer section.
std::size_t ChunkDecoder::least_left() const noexcept {
    constexpr std::size_t line_end = 2;
    constexpr std::size_t last_chunk = 1 + line_end + line_end;
    const auto chunk = static_cast<std::size_t>(chunk_left_);
    const std::size_t behind_size = chunk == 0 ? line_end : chunk + line_end + last_chunk;
    switch (state_) {
        case State::size_begin: return last_chunk;
        case State::size:
        case State::extension: return line_end + behind_size;
        case State::blanks: return 1 + line_end + behind_size;
        case State::size_end: return 1 + behind_size;
        case State::data: return chunk + line_end + last_chunk;
        case State::data_cr: return line_end + last_chunk;
        case State::data_end: return 1 + last_chunk;
        case State::trailer_begin: return line_end;
        case State::trailer: return line_end + line_end;
        case State::trailer_end: return 1 + line_end;
        case State::last_end: return 1;
        case State::whole:
        case State::too_long:
        case State::malformed: break;
    }
    return 0;
}

ChunkDecoder::State ChunkDecoder::next(char c) noexcept {
    const auto expect = [c](char wanted, State then) { return c == wanted ? then : State::malformed; };
    switch (state_) {
        case State::size_begin: return add_digit(c);
        case State::size: return hexadecimal(c) >= 0 ? add_digit(c) : after_size(c);
        case State::blanks: return c == '\r' ? State::malformed : after_size(c);
        case State::extension: return in_extension(c);
        case State::size_end: return c == '\n' ? begin_data() : State::malformed;
        case State::data_cr: return expect('\r', State::data_end);
        case State::data_end: return expect('\n', State::size_begin);
        case State::trailer_begin: return c == '\r' ? State::last_end : in_trailer(c);
        case State::trailer: return in_trailer(c);
        case State::trailer_end: return expect('\n', State::trailer_begin);
        case State::last_end: return expect('\n', State::whole);
        default: return state_;
    }
}

ChunkDecoder::State ChunkDecoder::add_digit(char c) noexcept {
    const int digit = hexadecimal(c);
    if (digit < 0) return State::malformed;
    if (state_ == State::size_begin) digits_ = 0;
    if (++digits_ > digits_max) return State::malformed;
    chunk_left_ = chunk_left_ << 4U | static_cast<std::uint64_t>(digit);
    return chunk_left_ > body_left_ ? State::too_long : State::size;
}

ChunkDecoder::State ChunkDecoder::after_size(char c) noexcept {
    if (c == '\r') return State::size_end;
    if (c != ';' && !is_blank(c)) return State::malformed;
    if (++extensions_ > extensions_max) return State::malformed;
    return c == ';' ? State::extension : State::blanks;
}

ChunkDecoder::State ChunkDecoder::in_extension(char c) noexcept {
    if (c == '\r') return State::size_end;
    return is_control(c) || ++extensions_ > extensions_max ? State::malformed : State::extension;
}

ChunkDecoder::State ChunkDecoder::in_trailer(char c) noexcept {
    if (++trailers_ > trailers_max) return State::malformed;
    if (c == '\r') return State::trailer_end;
    return is_control(c) ? State::malformed : State::trailer;
}

ChunkDecoder::State ChunkDecoder::begin_data() noexcept {
    if (chunk_left_ == 0) return State::trailer_begin;
    body_left_ -= static_cast<std::size_t>(chunk_left_);
    return State::data;
}

}  // namespace bullpen::http
