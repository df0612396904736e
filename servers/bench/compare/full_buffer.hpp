/// A trial of what a full receive buffer does (TLPI 57.3 and 61.12; UNP 8.13).
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "servers/bench/compare/comparison.hpp"

namespace bullpen {

struct FullBufferOptions {
    int buffer_bytes = 64 * 1024;                ///< SO_SNDBUF and SO_RCVBUF, which the kernel doubles.
    std::int64_t message_bytes = 128;            ///< Of each.
    std::int64_t messages = 10'000;              ///< To be sent.
    std::chrono::milliseconds send_timeout{50};  ///< Of the one who may wait (SO_SNDTIMEO).
};

/// TCP and UDP over 127.0.0.1, UNIX streams and UNIX datagrams, one after the other, in the caller's process.
/// Throws std::system_error.
std::vector<FullBuffer> try_full_buffers(const FullBufferOptions& options = {});

}  // namespace bullpen
