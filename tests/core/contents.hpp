/// For tests: contents to be sent, and what a client has got.
#pragma once

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include <bullpen/unique_fd.hpp>

namespace bullpen {

/// They repeat after 32,128 bytes and not sooner, so that a piece in the wrong place shows.
inline std::string many_bytes(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<char>(i * 31 + i / 251);
    return bytes;
}

inline UniqueFd file_of(const std::string& contents) {
    UniqueFd file{::memfd_create("test", MFD_CLOEXEC)};
    REQUIRE(::write(file.get(), contents.data(), contents.size()) == static_cast<ssize_t>(contents.size()));
    return file;
}

inline std::string read_until_end(int fd) {
    std::string all;
    char buffer[65536];
    for (ssize_t size; (size = ::read(fd, buffer, sizeof buffer)) > 0;)
        all.append(buffer, static_cast<std::size_t>(size));
    return all;
}

}  // namespace bullpen
