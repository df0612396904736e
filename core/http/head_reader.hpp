/// Reads the heads of a client's requests, in the blocking form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <bullpen/connection.hpp>
#include "core/http/head_buffer.hpp"

namespace bullpen::http {

/// How much of a head has been seen; kept at the beginning of Connection::state().
struct HeadProgress {
    /// When the head must be complete (CLOCK_MONOTONIC), once it has begun, or the body before it have
    /// passed; 0: not yet set.
    std::uint64_t deadline_ns = 0;
    std::uint32_t seen = 0;  ///< Bytes of the head that have arrived; 0: no head has begun.
    std::uint32_t body = 0;  ///< Bytes that are still to come of the last request's body, before the head.
};

/// Peeks at a head, and takes it from the kernel only when it is complete: an incomplete head stays in the
/// kernel's buffer, so that the connection can be parked.
class HeadReader {
public:
    using Outcome = HeadBuffer::Outcome;

    static constexpr std::size_t request_line_max = 8 * 1024;

    /// Borrows the connection.
    explicit HeadReader(Connection& client) noexcept : client_{client}, buffer_{request_line_max} {}

    /// Finds the next head, behind what is left of a body. Returns nothing if the head is incomplete and the
    /// connection should be parked until there is more (see Connection::peek). Throws what Connection does:
    /// TimedOut if it waits itself and the head isn't complete within the header limit.
    [[nodiscard]] std::optional<Outcome> next(HeadProgress& progress);

    /// Takes the head that was found out of the kernel's buffer, and a body of `body_size` bytes as far as it
    /// is there; next() throws the rest away. head() stays as it is.
    void take(HeadProgress& progress, std::uint32_t body_size);

    [[nodiscard]] std::string_view head() const noexcept { return buffer_.head(); }
    [[nodiscard]] bool has_more() const noexcept { return buffer_.has_more(); }

    /// What has arrived after the head, as far as it was seen.
    [[nodiscard]] std::string_view behind_head() const noexcept { return buffer_.behind_head(); }

private:
    enum class Body { passed, ended, awaited };
    [[nodiscard]] Body pass_body(HeadProgress& progress);
    void remember(const HeadProgress& progress) noexcept;

    Connection& client_;
    HeadBuffer buffer_;
};

}  // namespace bullpen::http
