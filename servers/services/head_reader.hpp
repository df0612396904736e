/// Reads the heads of a client's requests, in the blocking form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/connection.hpp"
#include "servers/services/head_buffer.hpp"

namespace bullpen::http {

/// How much of a head has been seen; survives between the turns of a connection.
struct HeadProgress {
    std::uint64_t deadline_ns = 0;  ///< CLOCK_MONOTONIC; of a head that has begun.
    std::uint32_t seen = 0;         ///< Bytes of it; 0: none has begun.
};

/// Looks at the head as a whole and takes it then: until it is complete it stays in the kernel, and the
/// connection can be parked.
class HeadReader {
public:
    using Outcome = HeadBuffer::Outcome;

    static constexpr std::size_t request_line_max = 8 * 1024;

    /// Borrows the connection.
    explicit HeadReader(Connection& client) noexcept : client_{client}, buffer_{request_line_max} {}

    /// Finds the next head. Nothing: it isn't complete and is not to be waited for here (Connection::peek).
    /// Throws what Connection does: TimedOut where it waits and a head isn't there in time.
    [[nodiscard]] std::optional<Outcome> next(HeadProgress& progress);

    /// Takes the head that was found from the client's bytes; head() and has_more() stay.
    void take() { client_.take(buffer_.up_to_head_end()); }

    [[nodiscard]] std::string_view head() const noexcept { return buffer_.head(); }
    [[nodiscard]] bool has_more() const noexcept { return buffer_.has_more(); }

private:
    Connection& client_;
    HeadBuffer buffer_;
};

}  // namespace bullpen::http
