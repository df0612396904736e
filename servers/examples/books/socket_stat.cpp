/// Which members of struct stat mean something for a socket. The books say: on other systems, others.
/// Source: APUE, exercise 16.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "expect.hpp"

int main() {
    const int socket = checked(::socket(AF_INET, SOCK_STREAM, 0), "socket");
    const int other = checked(::socket(AF_INET, SOCK_STREAM, 0), "socket");
    struct stat status {};
    struct stat others {};
    checked(::fstat(socket, &status), "fstat");
    checked(::fstat(other, &others), "fstat");
    std::cout << "     st_dev " << major(status.st_dev) << ':' << minor(status.st_dev) << ", st_ino "
              << status.st_ino << ", st_mode " << std::oct << status.st_mode << std::dec << ", st_blksize "
              << status.st_blksize << '\n';
    expect(S_ISSOCK(status.st_mode), "st_mode says that it is a socket");
    expect((status.st_mode & 0777) == 0777, "and has all permission bits, which mean nothing");
    expect(status.st_dev == others.st_dev, "st_dev is the same for all sockets");
    expect(status.st_ino != 0 && status.st_ino != others.st_ino,
           "st_ino tells them apart (see /proc/net/tcp)");
    expect(status.st_nlink == 1, "st_nlink is 1");
    expect(status.st_uid == ::geteuid() && status.st_gid == ::getegid(), "st_uid and st_gid are its maker's");
    expect(status.st_size == 0 && status.st_blocks == 0, "st_size and st_blocks are 0");
    expect(status.st_blksize == ::sysconf(_SC_PAGESIZE), "st_blksize is a page");
    expect(status.st_rdev == 0, "st_rdev is 0");
    expect(status.st_mtim.tv_sec == 0 && status.st_atim.tv_sec == 0, "the times are 0");
    checked(::fchown(socket, ::geteuid(), ::getegid()), "fchown");
    expect(::fchmod(socket, 0600) == 0, "fchmod(2) is taken");
    checked(::fstat(socket, &status), "fstat");
    expect((status.st_mode & 0777) == 0600, "and shows");
    return outcome();
}
