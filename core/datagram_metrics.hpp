/// What is counted of datagrams, beside the pool's accounts in which each is a connection.
#pragma once

#include <cstddef>

#include "core/datagram_batch.hpp"

namespace bullpen {

/// Makes the metrics known, before the workers are. Throws std::invalid_argument if there are too many.
void define_datagram_metrics();

// In a worker. Elsewhere they count nothing.

void count_datagram(DatagramFate fate) noexcept;
void count_failed_datagram() noexcept;
void count_truncated_datagram() noexcept;
void count_sent_datagrams(std::size_t count) noexcept;
void count_unsent_datagram() noexcept;

}  // namespace bullpen
