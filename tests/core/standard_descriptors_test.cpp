#include "core/standard_descriptors.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>

#include "core/process.hpp"

using namespace bullpen;

namespace {

/// Whether `holds` is true in a child of its own.
bool in_a_child(const std::function<bool()>& holds) {
    const pid_t pid = *spawn_child([&] { return holds() ? 0 : 1; });
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_SUITE("core: the standard descriptors") {
    TEST_CASE("each that is closed is taken, whichever they are, and what is open stays") {
        for (unsigned closed = 0; closed < 8; ++closed) {
            CAPTURE(closed);
            CHECK(in_a_child([closed] {
                for (int fd = 0; fd < 3; ++fd)
                    if ((closed >> fd & 1U) != 0) ::close(fd);
                fill_standard_descriptors();
                bool right = ::dup(0) > 2;
                for (int fd = 0; fd < 3; ++fd) {
                    if ((closed >> fd & 1U) == 0) continue;
                    char byte = 'x';
                    right = right && (fd == 0 ? ::read(fd, &byte, 1) == 0
                                              : ::write(fd, &byte, 1) < 0 && errno == EBADF);
                }
                return right;
            }));
        }
    }

    TEST_CASE("a write to a pipe without a reader, or beyond the limit of a file's size, kills nobody") {
        CHECK(in_a_child([] {
            unblock_signals();
            ignore_write_signals();
            int ends[2];
            if (::pipe(ends) != 0) return false;
            ::close(ends[0]);
            const bool pipe = ::write(ends[1], "x", 1) < 0 && errno == EPIPE;
            const rlimit nothing{.rlim_cur = 0, .rlim_max = 0};
            ::setrlimit(RLIMIT_FSIZE, &nothing);
            char name[] = "/tmp/bullpen-test-XXXXXX";
            const int file = ::mkstemp(name);
            ::unlink(name);
            return pipe && ::write(file, "x", 1) < 0 && errno == EFBIG;
        }));
    }
}
