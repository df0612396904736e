#include "core/write_now.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdio>

#include <bullpen/unique_fd.hpp>

namespace bullpen {
namespace {

bool write_if_room(int fd, std::string_view text) noexcept {
    pollfd writable{.fd = fd, .events = POLLOUT, .revents = 0};  // Room for PIPE_BUF bytes.
    if (::poll(&writable, 1, 0) != 1 || (writable.revents & POLLOUT) == 0) return false;
    return ::write(fd, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF)) ==
           static_cast<ssize_t>(text.size());
}

/// The same pipe, opened once more: a flag that is set here is nobody else's.
UniqueFd open_again(int pipe) noexcept {
    std::array<char, 32> path;
    std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", pipe);
    return UniqueFd{::open(path.data(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)};
}

/// A poll alone would not do: another process may fill the pipe between the poll and the write. Pipes know
/// RWF_NOWAIT since Linux 6.4. Before, only a pipe that belongs to another user (as a container's may) is
/// polled: that one can't be opened again.
bool write_to_pipe(int fd, std::string_view text) noexcept {
    const iovec line{const_cast<char*>(text.data()), std::min<std::size_t>(text.size(), PIPE_BUF)};
    constexpr off_t here = -1;
    ssize_t written = ::pwritev2(fd, &line, 1, here, RWF_NOWAIT);
    if (written < 0 && errno == EOPNOTSUPP) {
        const UniqueFd own = open_again(fd);
        if (!own) return write_if_room(fd, text);
        written = ::writev(own.get(), &line, 1);
    }
    return written == static_cast<ssize_t>(text.size());
}

}  // namespace

/// O_NONBLOCK is not set: the flag would be shared with every other process that has that terminal or pipe.
bool write_now(int fd, std::string_view text) noexcept {
    const auto size = static_cast<ssize_t>(text.size());
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return sent == size;
    if (errno != ENOTSOCK) return false;
    struct stat file {};
    if (::fstat(fd, &file) == 0 && S_ISFIFO(file.st_mode)) return write_to_pipe(fd, text);
    return write_if_room(fd, text);
}

}  // namespace bullpen
