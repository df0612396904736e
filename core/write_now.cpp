#include "core/write_now.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>

namespace bullpen {

/// O_NONBLOCK is not set: the flag would be shared with every other process that has that terminal or pipe.
bool write_now(int fd, std::string_view text) noexcept {
    const auto size = static_cast<ssize_t>(text.size());
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return sent == size;
    if (errno != ENOTSOCK) return false;
    struct stat file {};
    if (::fstat(fd, &file) == 0 && S_ISFIFO(file.st_mode)) {
        // A poll would not do: another process may fill the pipe between the poll and the write.
        const iovec line{const_cast<char*>(text.data()), std::min<std::size_t>(text.size(), PIPE_BUF)};
        constexpr off_t here = -1;
        return ::pwritev2(fd, &line, 1, here, RWF_NOWAIT) == size;
    }
    pollfd writable{.fd = fd, .events = POLLOUT, .revents = 0};  // Room for PIPE_BUF bytes.
    if (::poll(&writable, 1, 0) != 1 || (writable.revents & POLLOUT) == 0) return false;
    return ::write(fd, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF)) == size;
}

}  // namespace bullpen
