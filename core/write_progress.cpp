#include "core/write_progress.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

namespace bullpen {

std::uint32_t unsent_bytes(int socket) noexcept {
    int bytes = 0;
    return ::ioctl(socket, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<std::uint32_t>(bytes) : 0;
}

bool WriteProgress::is_too_slow(int socket, std::uint64_t written) noexcept {
    const std::uint32_t unsent = unsent_bytes(socket);
    const std::uint64_t before = unsent_ + written;
    unsent_ = unsent;
    return transfer_.is_too_slow(before > unsent ? before - unsent : 0);
}

}  // namespace bullpen
