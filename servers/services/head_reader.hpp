/// Reads the heads of a client's requests, in the blocking form.
#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>

#include "core/connection.hpp"
#include "servers/services/head_buffer.hpp"

namespace bullpen::http {

struct HeadLimits {
    std::size_t request_line_max = 8 * 1024;
    std::chrono::milliseconds head_timeout{10'000};  ///< For a whole head, however it drips.
    std::chrono::milliseconds idle_timeout{5'000};   ///< Between two requests.
};

class HeadReader {
public:
    using Outcome = HeadBuffer::Outcome;

    /// Borrows the connection.
    HeadReader(Connection& client, HeadLimits limits) noexcept
        : client_{client}, limits_{limits}, buffer_{limits.request_line_max} {}

    /// Waits for the next head. Throws what Connection does: TimedOut when a head isn't there in time.
    [[nodiscard]] Outcome next();

    [[nodiscard]] std::string_view head() const noexcept { return buffer_.head(); }
    [[nodiscard]] bool has_more() const noexcept { return buffer_.has_more(); }

private:
    Connection& client_;
    HeadLimits limits_;
    HeadBuffer buffer_;
};

}  // namespace bullpen::http
