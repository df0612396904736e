/// readn and writen: all bytes, whatever read(2) and write(2) do at once.
/// Source: TLPI 61.1; UNP 3.9.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <vector>

#include "expect.hpp"

namespace {

/// Less than `size` only at the end.
ssize_t read_whole(int fd, char* buffer, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t now = ::read(fd, buffer + done, size - done);
        if (now == 0) break;
        if (now < 0 && errno == EINTR) continue;
        if (now < 0) return -1;
        done += static_cast<std::size_t>(now);
    }
    return static_cast<ssize_t>(done);
}

ssize_t write_whole(int fd, const char* buffer, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t now = ::write(fd, buffer + done, size - done);
        if (now < 0 && errno == EINTR) continue;
        if (now < 0) return -1;
        done += static_cast<std::size_t>(now);
    }
    return static_cast<ssize_t>(done);
}

void ignore(int) {}

}  // namespace

int main() {
    constexpr std::size_t size = std::size_t{4} << 20U;  // More than the buffers of a socket hold.
    int ends[2];
    checked(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    std::vector<char> received(size + 1);
    checked(::write(ends[1], "some", 4), "write");
    expect(checked(::read(ends[0], received.data(), size), "read") == 4,
           "one read(2) returns less than was asked for");

    struct sigaction action {};
    action.sa_handler = ignore;  // Without SA_RESTART: it interrupts calls.
    checked(::sigaction(SIGALRM, &action, nullptr), "sigaction");
    const pid_t child = checked(::fork(), "fork");
    if (child == 0) {
        ::close(ends[0]);
        const std::vector<char> bytes(size, 'x');
        ::ualarm(1000, 1000);  // Interrupted a thousand times a second,
        ::_exit(write_whole(ends[1], bytes.data(), size) == static_cast<ssize_t>(size) ? 0 : 1);
    }
    ::close(ends[1]);
    expect(read_whole(ends[0], received.data(), received.size()) == static_cast<ssize_t>(size),
           "readn returns all that comes until the end");
    int status = 0;
    checked(::waitpid(child, &status, 0), "waitpid");
    expect(status == 0, "writen has written all, although signals cut its calls short");
    return outcome();
}
