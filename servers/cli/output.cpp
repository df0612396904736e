#include "servers/cli/output.hpp"

#include <poll.h>

#include <cerrno>
#include <cstddef>
#include <system_error>

namespace bullpen {

void write_whole(int fd, std::string_view text, const std::string& name) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN) {  // Whoever shares it has made it non-blocking.
            pollfd writable{.fd = fd, .events = POLLOUT, .revents = 0};
            ::poll(&writable, 1, -1);
            continue;
        }
        if (written < 0) throw std::system_error{errno, std::generic_category(), "cannot write " + name};
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

void print(std::string_view text) {
    write_whole(STDOUT_FILENO, text, "to standard output");
}

}  // namespace bullpen
