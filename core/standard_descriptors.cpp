#include "core/standard_descriptors.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

namespace bullpen {

void fill_standard_descriptors() noexcept {
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(standard, F_GETFD) >= 0 || errno != EBADF) continue;
        // Both return the lowest free number, which is this one. Without O_CLOEXEC, as the others.
        if (::open("/dev/null", O_RDONLY | O_NOCTTY) < 0) (void)::open("/", O_PATH | O_DIRECTORY);
    }
}

void ignore_write_signals() noexcept {
    for (const int signal : {SIGPIPE, SIGXFSZ})
        ::signal(signal, SIG_IGN);
}

}  // namespace bullpen
