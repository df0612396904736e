#include "core/socket_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include <bullpen/clock.hpp>
#include "core/start_wait.hpp"

namespace bullpen {

SocketLock::SocketLock(const std::string& socket_path, std::chrono::milliseconds patience)
    : socket_{socket_path}, path_{socket_path + ".lock"} {
    constexpr std::chrono::milliseconds between_tries{10};
    const TimePoint deadline = Clock::now() + patience;
    while (!try_to_take()) {
        if (Clock::now() >= deadline)
            throw std::system_error{EWOULDBLOCK, std::generic_category(),
                                    complaint() + ", which another process of this user holds"};
        pause_start(between_tries);
    }
}

/// The holder removes the file: a lock on a file that is no longer the one of that name locks nothing.
bool SocketLock::try_to_take() {
    constexpr mode_t ours_alone = 0600;
    UniqueFd file{::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, ours_alone)};
    struct stat held {};
    struct stat named {};
    if (!file || ::fstat(file.get(), &held) != 0)
        throw std::system_error{errno, std::generic_category(), complaint()};
    if (!S_ISREG(held.st_mode) || held.st_uid != ::geteuid() || (held.st_mode & ~ours_alone & 0777) != 0)
        throw std::system_error{EACCES, std::generic_category(),
                                complaint() + ": expected no such file, or one that only this user can open"};
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK || errno == EINTR) return false;
        throw std::system_error{errno, std::generic_category(), complaint()};
    }
    if (::lstat(path_.c_str(), &named) != 0 || named.st_ino != held.st_ino || named.st_dev != held.st_dev)
        return false;
    file_ = std::move(file);
    return true;
}

std::string SocketLock::complaint() const {
    return "cannot listen on unix:" + socket_ + ": its lock " + path_;
}

SocketLock::~SocketLock() {
    ::unlink(path_.c_str());
}

}  // namespace bullpen
