/// sendfile(2) by read(2), write(2) and lseek(2), and what it does with offsets.
/// Source: TLPI 61.4, exercise 61-3.
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <string>

#include "expect.hpp"

namespace {

/// With an offset the file's own stays as it is, and *offset is where it ended; without, the file's own
/// moves. A write that takes less than was read leaves the rest to the next call.
ssize_t send_file(int out, int in, off_t* offset, std::size_t count) {
    const off_t own = offset != nullptr ? ::lseek(in, 0, SEEK_CUR) : 0;
    if (own < 0 || (offset != nullptr && ::lseek(in, *offset, SEEK_SET) < 0)) return -1;
    std::array<char, 64 * 1024> buffer;
    std::size_t sent = 0;
    while (sent < count) {
        const ssize_t there = ::read(in, buffer.data(), std::min(buffer.size(), count - sent));
        if (there <= 0) break;
        const ssize_t taken = ::write(out, buffer.data(), static_cast<std::size_t>(there));
        if (taken < there) ::lseek(in, std::max<ssize_t>(taken, 0) - there, SEEK_CUR);
        if (taken < 0 && sent == 0) return -1;
        if (taken > 0) sent += static_cast<std::size_t>(taken);
        if (taken < there) break;
    }
    if (offset != nullptr) {
        *offset += static_cast<off_t>(sent);
        ::lseek(in, own, SEEK_SET);
    }
    return static_cast<ssize_t>(sent);
}

using Send = ssize_t (*)(int out, int in, off_t* offset, std::size_t count);

void try_out(const std::string& name, Send send) {
    char path[] = "/tmp/sendfile-XXXXXX";
    const int file = checked(::mkstemp(path), "mkstemp");
    ::unlink(path);
    checked(::write(file, "0123456789", 10), "write");
    int ends[2];
    checked(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    const auto arrived = [&ends] {
        char buffer[32];
        const ssize_t size = ::recv(ends[1], buffer, sizeof buffer, MSG_DONTWAIT);
        return std::string{buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
    };
    ::lseek(file, 2, SEEK_SET);
    off_t offset = 5;
    expect(send(ends[0], file, &offset, 3) == 3 && arrived() == "567",
           name + ": an offset says where to begin");
    expect(offset == 8, name + ": and afterwards where it ended");
    expect(::lseek(file, 0, SEEK_CUR) == 2, name + ": the file's own offset stays as it was");
    expect(send(ends[0], file, nullptr, 4) == 4 && arrived() == "2345",
           name + ": without one the file's own is used");
    expect(::lseek(file, 0, SEEK_CUR) == 6, name + ": and moves");
    expect(send(ends[0], file, nullptr, 100) == 4 && arrived() == "6789",
           name + ": at the file's end it says how much there was");
    expect(send(ends[0], file, nullptr, 100) == 0, name + ": and then 0");
}

}  // namespace

int main() {
    try_out("sendfile", ::sendfile);
    try_out("send_file", send_file);
    return outcome();
}
