/// What a client sent and nobody used yet, cut into the heads of its requests. Does no I/O.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace bullpen::http {

/// Who reads from the client asks find_head(); as long as that says nothing, he puts more into room() and
/// says how much in add(). Requests may so come in any pieces, also several at once.
class HeadBuffer {
public:
    static constexpr std::size_t head_max = 16 * 1024;

    enum class Outcome {
        head,           ///< head() is the next request's.
        end,            ///< No other request: the client has ended, was idle for too long, or is asked to go.
        line_too_long,  ///< The request line exceeds its limit.
        head_too_long,  ///< The head exceeds head_max.
        malformed,      ///< Lines without CR, or the client's side ended within a head.
    };

    explicit HeadBuffer(std::size_t request_line_max) noexcept : request_line_max_{request_line_max} {}

    /// Goes on behind the head that was found. True if nothing is there yet.
    [[nodiscard]] bool begin_next() noexcept;

    /// Nothing: more is needed, and there is room for it.
    [[nodiscard]] std::optional<Outcome> find_head() noexcept;

    /// Forgets everything: for who looks at the client's bytes again from their beginning.
    void clear() noexcept { begin_ = end_ = head_size_ = searched_ = 0; }

    [[nodiscard]] std::span<std::byte> room() noexcept;
    void add(std::size_t size) noexcept { end_ += size; }

    /// What it means that the client's side ended before a head was found.
    [[nodiscard]] Outcome outcome_at_end() const noexcept;

    /// All that was put in and not used, as it came.
    [[nodiscard]] std::span<std::byte> contents() noexcept { return bytes().subspan(begin_, end_ - begin_); }
    [[nodiscard]] bool is_empty() const noexcept { return unused().empty(); }

    /// All bytes up to the end of the head that was found, those that were skipped included.
    [[nodiscard]] std::span<std::byte> up_to_head_end() noexcept {
        return bytes().first(begin_ + head_size_);
    }

    /// From the request line to the empty line, until begin_next() is called.
    [[nodiscard]] std::string_view head() const noexcept { return unused().substr(0, head_size_); }

    /// Whether something came in behind the head.
    [[nodiscard]] bool has_more() const noexcept { return unused().size() > head_size_; }

private:
    [[nodiscard]] std::string_view unused() const noexcept {
        return {buffer_.data() + begin_, end_ - begin_};
    }
    [[nodiscard]] std::span<std::byte> bytes() noexcept { return std::as_writable_bytes(std::span{buffer_}); }
    [[nodiscard]] bool line_is_too_long() const noexcept;
    void skip_empty_lines() noexcept;
    void move_to_front() noexcept;

    std::size_t request_line_max_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t head_size_ = 0;
    std::size_t searched_ = 0;  ///< So much of unused() holds no head's end.
    std::array<char, head_max> buffer_;
};

}  // namespace bullpen::http
