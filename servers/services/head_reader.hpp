/// Cuts what a client sends into the heads of its requests.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>

#include "core/connection.hpp"

namespace bullpen::http {

struct HeadLimits {
    std::size_t request_line_max = 8 * 1024;
    std::chrono::milliseconds head_timeout{10'000};  ///< For a whole head, however it drips.
    std::chrono::milliseconds idle_timeout{5'000};   ///< Between two requests.
};

/// Holds what was read and not yet used, so that requests may come in any pieces, also several at once.
class HeadReader {
public:
    static constexpr std::size_t head_max = 16 * 1024;

    enum class Outcome {
        head,           ///< head() is the next request's.
        end,            ///< No other request: the client has ended, was idle for too long, or is asked to go.
        line_too_long,  ///< The request line exceeds request_line_max.
        head_too_long,  ///< The head exceeds head_max.
        malformed,      ///< Lines without CR, or the client's side ended within a head.
    };

    /// Borrows the connection.
    HeadReader(Connection& client, HeadLimits limits) noexcept : client_{client}, limits_{limits} {}

    /// Waits for the next head. Throws what Connection does: TimedOut when a head isn't there in time.
    [[nodiscard]] Outcome next();

    /// From the request line to the empty line, until next() is called again.
    [[nodiscard]] std::string_view head() const noexcept { return unused().substr(0, head_size_); }

    /// Whether something came in behind the head.
    [[nodiscard]] bool has_more() const noexcept { return unused().size() > head_size_; }

private:
    [[nodiscard]] std::string_view unused() const noexcept {
        return {buffer_.data() + begin_, end_ - begin_};
    }
    [[nodiscard]] std::span<std::byte> room() noexcept;
    [[nodiscard]] bool wait_for_request();
    [[nodiscard]] bool line_is_too_long() const noexcept;
    void skip_empty_lines() noexcept;
    void move_to_front() noexcept;

    Connection& client_;
    HeadLimits limits_;
    bool is_first_ = true;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t head_size_ = 0;
    std::array<char, head_max> buffer_;
};

}  // namespace bullpen::http
