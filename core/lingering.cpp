#include "core/lingering.hpp"

#include <sys/socket.h>

#include <array>

#include "core/transfer_step.hpp"

namespace bullpen {

/// TCP only takes the bytes off its queue, and doesn't copy them (MSG_TRUNC, tcp(7)); a UNIX socket copies.
Discarded discard_input(int socket) noexcept {
    std::array<std::byte, discarded_at_once> scrap;
    for (;;) {
        switch (receive_step(socket, scrap, MSG_DONTWAIT | MSG_TRUNC).outcome) {
            case TransferStep::Outcome::moved: return Discarded::some;
            case TransferStep::Outcome::would_block: return Discarded::nothing;
            case TransferStep::Outcome::ended:
            case TransferStep::Outcome::failed: return Discarded::end;
            case TransferStep::Outcome::interrupted: break;
        }
    }
}

}  // namespace bullpen
