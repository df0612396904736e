/// The metrics of every HTTP service: what its workers have answered, and the bytes of it.
#pragma once

#include <cstddef>
#include <string_view>

namespace bullpen::http {

/// Makes them known before the workers are forked, so that they show 0 from the start.
void define_metrics();

// Each counts for the worker whose thread calls it, and nothing in other threads and processes.

/// An answer that begins to leave. `head` is its request's, as far as it is one; `answer` begins with the
/// status line.
void count_request(std::string_view head, std::string_view answer) noexcept;

/// Bytes of requests, their bodies with them, that were taken from the kernel.
void count_received(std::size_t bytes) noexcept;

/// Bytes of answers that the kernel has taken.
void count_sent(std::size_t bytes) noexcept;

}  // namespace bullpen::http
