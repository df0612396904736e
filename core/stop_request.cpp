#include "core/stop_request.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include <bullpen/stop.hpp>

namespace bullpen {
namespace {

std::atomic<int> descriptor{-1};

}  // namespace

StopRequest::StopRequest() : wanted_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
    if (!wanted_) throw std::system_error{errno, std::generic_category(), "cannot create an eventfd"};
    descriptor = wanted_.get();
}

StopRequest::~StopRequest() {
    descriptor = -1;
}

int stop_request_descriptor() noexcept {
    return descriptor;
}

void forget_stop_request() noexcept {
    if (const int fd = descriptor.exchange(-1); fd >= 0) ::close(fd);
}

void stop() noexcept {
    const int saved = errno;
    constexpr std::uint64_t one = 1;
    if (const int fd = descriptor; fd >= 0) (void)!::write(fd, &one, sizeof one);
    errno = saved;
}

}  // namespace bullpen
