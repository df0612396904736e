/// What is to be sent to a client for one request.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace bullpen::http {

/// Views and the file are borrowed from the responder that made it, until it makes the next one. The parts
/// are sent in their order here.
struct Answer {
    std::chrono::milliseconds delay{0};  ///< To pass before anything is sent.
    std::string_view bytes{};            ///< The head, and what of the body fits behind it.
    std::string_view body{};             ///< Sent over and over, until body_size bytes have left.
    std::uint64_t body_size = 0;
    int file = -1;
    std::uint64_t file_offset = 0;
    std::uint64_t file_size = 0;

    bool keep_alive = false;  ///< Another request may follow; else the connection is to be closed.
    bool linger = false;      ///< The client may still be sending: a plain close might destroy the answer.

    [[nodiscard]] bool is_in_one_piece() const noexcept { return body_size == 0 && file_size == 0; }
};

}  // namespace bullpen::http
