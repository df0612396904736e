#include "pool/wake_up.hpp"

#include <sys/eventfd.h>
#include <sys/uio.h>

#include <cerrno>
#include <system_error>

namespace bullpen {

WakeUp::WakeUp(ScoreboardHeader& header)
    : header_{header}, eventfd_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
    if (!eventfd_) throw std::system_error{errno, std::generic_category(), "cannot create an eventfd"};
}

/// Does not rely on O_NONBLOCK: the eventfd is shared with the workers, and a broken one may have emptied it
/// and made it blocking.
void WakeUp::note_awake() noexcept {
    header_.wake_on_return.store(0, std::memory_order_relaxed);
    if (!watch_->ready()) return;
    std::uint64_t count = 0;
    const iovec into{&count, sizeof count};
    constexpr off_t no_offset = -1;
    (void)!::preadv2(eventfd_.get(), &into, 1, no_offset, RWF_NOWAIT);
    watch_->clear_ready();
}

}  // namespace bullpen
