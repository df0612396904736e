/// The bytes of an open file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bullpen::http {

/// Reads until the buffer is full: the head in front of it has already announced this Content-Length. Throws
/// std::system_error; that is EAGAIN if the file has become shorter meanwhile, and EIO if its size isn't
/// true, as in /sys.
void read_bytes(int file, std::span<char> into, std::uint64_t offset);

/// For a file of which the answer has no byte, because its size is 0. Throws as read_bytes() does if it has
/// bytes all the same, as in /proc.
void check_emptiness(int file);

/// Reads `count` bytes, at most trial_size, and forgets them: an answer whose file can't be read is still
/// another answer now. Throws as read_bytes() does.
void try_bytes(int file, std::uint64_t offset, std::uint64_t count);

constexpr std::size_t trial_size = std::size_t{64} * 1024;

}  // namespace bullpen::http
