#include "core/order_requests.hpp"

#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include <bullpen/orders.hpp>

namespace bullpen {
namespace {

std::atomic<int> stop_descriptor{-1};
std::atomic<int> reload_descriptor{-1};

UniqueFd make() {
    UniqueFd made{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (!made) throw std::system_error{errno, std::generic_category(), "cannot create an eventfd"};
    return made;
}

void request(const std::atomic<int>& descriptor) noexcept {
    const int saved = errno;
    constexpr std::uint64_t one = 1;
    if (const int fd = descriptor; fd >= 0) (void)!::write(fd, &one, sizeof one);
    errno = saved;
}

}  // namespace

OrderRequests::OrderRequests() : stop_{make()}, reload_{make()} {
    stop_descriptor = stop_.get();
    reload_descriptor = reload_.get();
}

OrderRequests::~OrderRequests() {
    stop_descriptor = -1;
    reload_descriptor = -1;
}

/// Does not rely on O_NONBLOCK: a broken process that shares the eventfd may have emptied it and made it
/// blocking.
void OrderRequests::settle_reload() noexcept {
    std::uint64_t count = 0;
    const iovec into{&count, sizeof count};
    constexpr off_t no_offset = -1;
    (void)!::preadv2(reload_.get(), &into, 1, no_offset, RWF_NOWAIT);
}

std::array<int, 2> order_request_descriptors() noexcept {
    return {stop_descriptor, reload_descriptor};
}

void forget_order_requests() noexcept {
    for (std::atomic<int>* const descriptor : {&stop_descriptor, &reload_descriptor})
        if (const int fd = descriptor->exchange(-1); fd >= 0) ::close(fd);
}

void stop() noexcept {
    request(stop_descriptor);
}

void reload() noexcept {
    request(reload_descriptor);
}

}  // namespace bullpen
