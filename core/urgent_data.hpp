/// TCP's urgent data, noticed and counted.
#pragma once

#include <cstddef>
#include <span>

#include <bullpen/out_of_band.hpp>
#include "core/transfer_step.hpp"

namespace bullpen {

/// Makes the metric known, before the workers are. Throws std::invalid_argument if there are too many.
void define_urgent_metric();

/// SO_OOBINLINE, which accepted sockets inherit from their listener.
void set_out_of_band(int listener, OutOfBand how) noexcept;

/// As receive_step() of transfer_step.hpp, but counts an urgent byte that is passed (MSG_PEEK passes none).
TransferStep receive_step(int socket, std::span<std::byte> buffer, int flags, OutOfBand how) noexcept;

/// The next byte to be read is, or comes behind, an urgent one.
bool is_at_urgent_mark(int socket) noexcept;

}  // namespace bullpen
