/// An answer: what a service sends to a client for one request.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <bullpen/unique_fd.hpp>

namespace bullpen::http {

/// A request's body that must be read before there is an answer.
struct BodyWanted {
    bool is_chunked = false;
    std::size_t size = 0;           ///< Unless it is chunked. 0: only the head is taken from the kernel.
    std::size_t size_max = 0;       ///< Of a chunked one.
    bool expects_continue = false;  ///< The client may wait for a 100 (Continue).
};

/// Its parts are sent in the order of these members. The views and `file` are borrowed from the responder
/// and are valid until that makes its next answer; `opened` is closed with the answer.
struct Answer {
    std::chrono::milliseconds delay{0};  ///< The wait before anything is sent.
    std::string_view bytes{};            ///< The head, and a body of up to Responder::small_body_max bytes.
    std::string_view body{};             ///< Sent repeatedly until body_size bytes have left.
    std::uint64_t body_size = 0;
    int file = -1;
    std::uint64_t file_offset = 0;
    std::uint64_t file_size = 0;
    UniqueFd opened{};

    bool keep_alive = false;  ///< Another request may follow; else the connection is closed after the answer.
    bool linger = false;      ///< The client may still be sending: a plain close could destroy the answer.

    /// Bytes of the request's body, which nobody reads: they are thrown away before the next request. 0 if
    /// none follows.
    std::uint32_t request_body_size = 0;

    std::optional<BodyWanted> body_wanted{};  ///< Set: it is no answer yet, see Responder::answer().

    [[nodiscard]] bool is_in_one_piece() const noexcept { return body_size == 0 && file_size == 0; }
};

}  // namespace bullpen::http
