#include "pool/news.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace bullpen {

News::News() : eventfd_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
    if (!eventfd_) throw std::system_error{errno, std::generic_category(), "cannot create an eventfd"};
}

void News::announce() const noexcept {
    constexpr std::uint64_t one = 1;
    (void)!::write(eventfd_.get(), &one, sizeof one);
}

bool News::take() noexcept {
    if (!watch_->ready()) return false;
    std::uint64_t count = 0;
    (void)!::read(eventfd_.get(), &count, sizeof count);
    watch_->clear_ready();
    return true;
}

}  // namespace bullpen
