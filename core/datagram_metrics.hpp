/// What is counted of datagrams, beside the pool's accounts in which each is a connection.
#pragma once

#include <cstddef>

#include "core/datagram_batch.hpp"

namespace bullpen {

/// Why a datagram is refused.
enum class DatagramRefusal {
    handler,  ///< Its handler gives no answer on purpose.
    denied,   ///< The listener's lists exclude its source.
    rate,     ///< Too many a second from its source.
    banned,   ///< Its source was refused too often.
};

/// Makes the metrics known, before the workers are. Throws std::invalid_argument if there are too many.
void define_datagram_metrics();

// In a worker. Elsewhere they count nothing.

/// One whose handler has returned.
void count_datagram(DatagramFate fate) noexcept;

/// One that is refused, by its handler or before any has seen it.
void count_refused_datagram(DatagramRefusal reason) noexcept;
void count_failed_datagram() noexcept;
void count_truncated_datagram() noexcept;
void count_sent_datagrams(std::size_t count) noexcept;
void count_unsent_datagram() noexcept;

/// So many peers have sockets of the calling thread's worker for themselves.
void note_connected_peers(std::size_t count) noexcept;

}  // namespace bullpen
