#include "core/write_progress.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <utility>

namespace bullpen {

std::uint32_t unsent_bytes(int socket) noexcept {
    int bytes = 0;
    return ::ioctl(socket, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<std::uint32_t>(bytes) : 0;
}

TimePoint WriteProgress::deadline_after(int socket, std::uint64_t written) noexcept {
    is_stuck_ = std::exchange(has_gone_on_, false) && written == 0;
    const std::uint32_t unsent = unsent_bytes(socket);
    const std::uint64_t before = unsent_ + written;
    unsent_ = unsent;
    return transfer_.deadline_after(before > unsent ? before - unsent : 0);
}

}  // namespace bullpen
