/// A head buffer: the bytes that a client has sent and that are not yet used, cut into heads. Does no I/O.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace bullpen::http {

/// The reader calls find_head(); while that returns nothing, it reads bytes into room() and reports their
/// number with add(). Requests may come in pieces of any size, and several in one piece.
class HeadBuffer {
public:
    static constexpr std::size_t head_max = 16 * 1024;

    enum class Outcome {
        head,           ///< head() is the next request's.
        end,            ///< No other request: the client has ended or was idle too long, or the server stops.
        line_too_long,  ///< The request line exceeds its limit.
        head_too_long,  ///< The head exceeds head_max.
        malformed,      ///< A line without CR, or the client's side ended within a head.
    };

    explicit HeadBuffer(std::size_t request_line_max) noexcept : request_line_max_{request_line_max} {}

    /// Of the bytes behind the head that was found, so many belong to it, as far as they are there: they come
    /// before the next head. Returns how many are there.
    std::size_t skip_body(std::size_t size) noexcept;

    /// Moves on to the bytes after the head that was found and its body. Returns true if there are none yet.
    [[nodiscard]] bool begin_next() noexcept;

    /// Returns nothing if more bytes are needed; then room() isn't empty.
    [[nodiscard]] std::optional<Outcome> find_head() noexcept;

    /// Forgets all bytes: for a reader that peeks at the client's bytes again from their beginning.
    void clear() noexcept { begin_ = end_ = head_size_ = body_size_ = searched_ = 0; }

    [[nodiscard]] std::span<std::byte> room() noexcept;
    void add(std::size_t size) noexcept { end_ += size; }

    /// The outcome if the client's side ends before a head is complete: end between requests, else malformed.
    [[nodiscard]] Outcome outcome_at_end() const noexcept;

    /// All bytes that were added and not used.
    [[nodiscard]] std::span<std::byte> contents() noexcept { return bytes().subspan(begin_, end_ - begin_); }
    [[nodiscard]] bool is_empty() const noexcept { return unused().empty(); }

    /// All bytes up to the end of the head that was found and of what is there of its body, empty lines
    /// before it included.
    [[nodiscard]] std::span<std::byte> up_to_end() noexcept {
        return bytes().first(begin_ + head_size_ + body_size_);
    }

    /// The head that was found, from its request line to its empty line; valid until begin_next().
    [[nodiscard]] std::string_view head() const noexcept { return unused().substr(0, head_size_); }

    /// What has arrived after it, its body included.
    [[nodiscard]] std::string_view behind_head() const noexcept { return unused().substr(head_size_); }

    /// Whether bytes have arrived after the head and its body.
    [[nodiscard]] bool has_more() const noexcept { return unused().size() > head_size_ + body_size_; }

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
    std::size_t body_size_ = 0;
    std::size_t searched_ = 0;  ///< The first `searched_` bytes of unused() contain no end of a head.
    std::array<char, head_max> buffer_;
};

}  // namespace bullpen::http
