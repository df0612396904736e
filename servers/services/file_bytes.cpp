#include "servers/services/file_bytes.hpp"

#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace bullpen::http {
namespace {

/// A file that is being rewritten is short for a moment; one whose size isn't true is short again.
[[noreturn]] void fail_at_end(int file, std::uint64_t offset, std::uint64_t end) {
    struct stat status;
    char byte;
    const bool is_rewritten = ::fstat(file, &status) != 0 ||
                              static_cast<std::uint64_t>(status.st_size) < end ||
                              ::pread(file, &byte, 1, static_cast<off_t>(offset)) > 0;
    throw std::system_error{is_rewritten ? EAGAIN : EIO, std::generic_category(),
                            is_rewritten ? "the file became shorter while it was read"
                                         : "the file has fewer bytes than its size says"};
}

/// The number of bytes that a call has read from `offset` on, which was to read up to `end`.
std::size_t judge(ssize_t size, int file, std::uint64_t offset, std::uint64_t end) {
    if (size == 0) fail_at_end(file, offset, end);
    if (size < 0 && errno != EINTR) throw std::system_error{errno, std::generic_category(), "read a file"};
    return size < 0 ? 0 : static_cast<std::size_t>(size);
}

}  // namespace

void read_bytes(int file, std::span<char> into, std::uint64_t offset) {
    const std::uint64_t end = offset + into.size();
    while (!into.empty()) {
        const ssize_t size = ::pread(file, into.data(), into.size(), static_cast<off_t>(offset));
        const std::size_t read = judge(size, file, offset, end);
        into = into.subspan(read);
        offset += read;
    }
}

void check_emptiness(int file) {
    char byte;
    struct stat status;
    const ssize_t size = ::pread(file, &byte, 1, 0);
    if (size < 0 && errno != EINTR) throw std::system_error{errno, std::generic_category(), "read a file"};
    if (size > 0 && ::fstat(file, &status) == 0 && status.st_size == 0)  // Else it has grown since.
        throw std::system_error{EIO, std::generic_category(), "the file has more bytes than its size says"};
}

void try_bytes(int file, std::uint64_t offset, std::uint64_t count) {
    std::array<char, 4096> scrap;
    std::array<iovec, trial_size / scrap.size()> same_place;
    same_place.fill({scrap.data(), scrap.size()});
    const std::uint64_t end = offset + std::min<std::uint64_t>(count, trial_size);
    while (offset < end) {
        const std::uint64_t left = end - offset;
        const int pieces = static_cast<int>((left + scrap.size() - 1) / scrap.size());
        const ssize_t size = ::preadv(file, same_place.data(), pieces, static_cast<off_t>(offset));
        offset += judge(size, file, offset, end);
    }
}

}  // namespace bullpen::http
