/// pipe(2) by socketpair(2): each end shuts the direction down that a pipe's end doesn't have.
/// Source: TLPI, exercise 61-2.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "expect.hpp"

namespace {

/// ends[0] is for reading and ends[1] for writing, as with pipe(2).
int make_pipe(int ends[2]) {
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return -1;
    if (::shutdown(ends[0], SHUT_WR) == 0 && ::shutdown(ends[1], SHUT_RD) == 0) return 0;
    const int error = errno;
    ::close(ends[0]);
    ::close(ends[1]);
    errno = error;
    return -1;
}

}  // namespace

int main() {
    std::signal(SIGPIPE, SIG_IGN);
    int ends[2];
    checked(make_pipe(ends), "make_pipe");
    char buffer[16];
    const pid_t child = checked(::fork(), "fork");
    if (child == 0) {
        ::close(ends[0]);
        ::_exit(::write(ends[1], "through it", 10) == 10 ? 0 : 1);
    }
    ::close(ends[1]);
    expect(::read(ends[0], buffer, sizeof buffer) == 10, "what a child writes can be read");
    expect(::read(ends[0], buffer, sizeof buffer) == 0, "and its end is the end");
    expect(::write(ends[0], "x", 1) < 0 && errno == EPIPE, "the reading end can't be written to (EPIPE)");
    int status = 0;
    checked(::waitpid(child, &status, 0), "waitpid");
    expect(status == 0, "the child could write");

    checked(make_pipe(ends), "make_pipe");
    expect(::read(ends[1], buffer, sizeof buffer) == 0, "the writing end has nothing to read");
    ::close(ends[0]);
    expect(::write(ends[1], "x", 1) < 0 && errno == EPIPE, "without a reader a write fails (EPIPE)");
    return outcome();
}
