/// Which functions for files take a socket, and what they do with it.
/// Source: APUE 16.2, the table of file functions.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "expect.hpp"

namespace {

template <typename Result>
void fails(Result result, int expected, const std::string& sentence) {
    const int error = errno;
    expect(result == static_cast<Result>(-1) && error == expected, sentence);
}

}  // namespace

int main() {
    std::signal(SIGPIPE, SIG_IGN);
    int ends[2];
    checked(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    const auto [socket, peer] = ends;
    char buffer[16];

    expect(::write(peer, "abc", 3) == 3 && ::read(socket, buffer, sizeof buffer) == 3,
           "read and write: recv and send");
    iovec parts[] = {{buffer, 2}, {buffer + 2, 1}};
    expect(::writev(peer, parts, 2) == 3 && ::readv(socket, parts, 2) == 3,
           "readv and writev: recvmsg and sendmsg");
    const int copy = ::dup(socket);
    expect(copy >= 0 && ::dup2(socket, copy) == copy, "dup and dup2: as with files");
    expect(::close(copy) == 0, "close: the other descriptors stay");
    expect(::fcntl(socket, F_GETFL) == O_RDWR && ::fcntl(socket, F_SETFL, O_NONBLOCK) == 0,
           "fcntl F_GETFL and F_SETFL: O_NONBLOCK");
    fails(::read(socket, buffer, 1), EAGAIN, "O_NONBLOCK holds for read");
    expect(::fcntl(socket, F_SETFD, FD_CLOEXEC) == 0 && ::fcntl(socket, F_GETFD) == FD_CLOEXEC,
           "fcntl F_GETFD and F_SETFD");
    expect(::fcntl(socket, F_SETOWN, ::getpid()) == 0 && ::fcntl(socket, F_GETOWN) == ::getpid(),
           "fcntl F_GETOWN and F_SETOWN");
    int waiting = -1;
    expect(::write(peer, "ab", 2) == 2 && ::ioctl(socket, FIONREAD, &waiting) == 0 && waiting == 2,
           "ioctl FIONREAD: the bytes that wait");
    pollfd readable{socket, POLLIN, 0};
    expect(::poll(&readable, 1, 0) == 1, "poll");
    expect(::fsync(socket) != 0 && errno == EINVAL, "fsync: EINVAL");
    fails(::fdatasync(socket), EINVAL, "fdatasync: EINVAL");
    fails(::lseek(socket, 0, SEEK_CUR), ESPIPE, "lseek: ESPIPE");
    fails(::pread(socket, buffer, 1, 0), ESPIPE, "pread: ESPIPE");
    fails(::ftruncate(socket, 0), EINVAL, "ftruncate: EINVAL");
    fails(::fchdir(socket), ENOTDIR, "fchdir: ENOTDIR");
    const void* const mapped = ::mmap(nullptr, 1, PROT_READ, MAP_SHARED, socket, 0);
    expect(mapped == MAP_FAILED && errno == ENODEV, "mmap: ENODEV");
    expect(::isatty(socket) == 0 && errno == ENOTTY, "isatty: ENOTTY");
    return outcome();
}
