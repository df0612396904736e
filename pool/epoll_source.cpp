#include "pool/epoll_source.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <limits>
#include <system_error>

#include "pool/forked_child.hpp"

namespace bullpen {
namespace {

/// For epoll_wait(2): rounded up, so that a deadline has passed at its end.
int milliseconds_of(std::optional<std::chrono::nanoseconds> at_most) noexcept {
    if (!at_most) return -1;
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(*at_most).count();
    return static_cast<int>(std::clamp<std::int64_t>(ms, 0, std::numeric_limits<int>::max()));
}

}  // namespace

EpollSource::EpollSource() : epoll_{::epoll_create1(EPOLL_CLOEXEC)} {
    if (!epoll_) throw std::system_error{errno, std::generic_category(), "cannot create an epoll"};
    keep_from_children(epoll_.get());
}

bool EpollSource::watch(int fd, Await what) noexcept {
    const auto index = static_cast<std::size_t>(fd);
    if (index >= events_.size()) events_.resize(index + 1);
    const std::uint32_t wanted = what == Await::input ? EPOLLIN : EPOLLOUT;
    if (events_[index] == wanted) return true;
    epoll_event event{.events = wanted, .data = {.fd = fd}};
    const int operation = events_[index] == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (::epoll_ctl(epoll_.get(), operation, fd, &event) != 0) return false;
    events_[index] = wanted;
    return true;
}

/// By name, because the close alone would leave it watched where a child process has the connection.
void EpollSource::forget(int fd) noexcept {
    const auto index = static_cast<std::size_t>(fd);
    if (index >= events_.size() || events_[index] == 0) return;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    events_[index] = 0;
}

/// The kernel puts what it reports at the end of its list.
std::span<const int> EpollSource::wait(std::optional<std::chrono::nanoseconds> at_most) noexcept {
    ready_.clear();
    const int count =
        ::epoll_wait(epoll_.get(), found_.data(), static_cast<int>(found_.size()), milliseconds_of(at_most));
    for (int i = 0; i < count; ++i)
        ready_.push_back(found_[static_cast<std::size_t>(i)].data.fd);
    return ready_;
}

}  // namespace bullpen
