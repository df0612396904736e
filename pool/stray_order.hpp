/// A stray order: a signal for the server that somebody sends to the master. The keeper takes the orders; a
/// terminal's go to both.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>

namespace bullpen {

struct StrayOrder {
    int signal = 0;
    pid_t sender = 0;  ///< 0: a process in another PID namespace.
};

/// From now on these signals do nothing but be noted, and `news` (borrowed, an eventfd) is written then. One
/// that the kernel sends, for a terminal, isn't noted. One that is ignored stays so.
void note_stray_orders(std::span<const int> signals, int news) noexcept;

/// The next one that wasn't taken; of several with the same signal the last.
[[nodiscard]] std::optional<StrayOrder> take_stray_order() noexcept;

}  // namespace bullpen
