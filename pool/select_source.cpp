#include "pool/select_source.hpp"

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#include <bullpen/clock.hpp>

namespace bullpen {

SelectSource::SelectSource() noexcept {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_cur, FD_SETSIZE);
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

bool SelectSource::watch(int fd, Await what) noexcept {
    if (fd >= FD_SETSIZE) {
        errno = EMFILE;
        return false;
    }
    forget(fd);
    FD_SET(fd, what == Await::input ? &inputs_ : &outputs_);
    end_ = std::max(end_, fd + 1);
    return true;
}

void SelectSource::forget(int fd) noexcept {
    if (fd >= FD_SETSIZE) return;
    FD_CLR(fd, &inputs_);
    FD_CLR(fd, &outputs_);
    while (end_ > 0 && !FD_ISSET(end_ - 1, &inputs_) && !FD_ISSET(end_ - 1, &outputs_))
        --end_;
}

std::span<const int> SelectSource::wait(std::optional<std::chrono::nanoseconds> at_most) noexcept {
    const timespec span = to_timespec(at_most.value_or(std::chrono::nanoseconds{0}));
    fd_set inputs = inputs_;
    fd_set outputs = outputs_;
    ready_.clear();
    int left = ::pselect(end_, &inputs, &outputs, nullptr, at_most ? &span : nullptr, nullptr);
    for (int fd = 0; left > 0; ++fd) {
        if (!FD_ISSET(fd, &inputs) && !FD_ISSET(fd, &outputs)) continue;
        ready_.push_back(fd);
        --left;
    }
    return ready_;
}

}  // namespace bullpen
