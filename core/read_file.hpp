/// A file as a string: the one place for it.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>

namespace bullpen {

struct ReadLimits {
    std::chrono::milliseconds patience{5'000};  ///< For the writer of a FIFO; then ETIME.
    std::size_t size = std::size_t{64} << 20U;  ///< Bytes: /dev/zero has no end; then EFBIG.
};

/// All bytes of a file, also of one in /proc, whose size nobody knows, and of a FIFO. Throws
/// std::system_error or std::runtime_error "cannot read PATH: …", or StoppedAtStart.
std::string read_file(const std::string& path, const ReadLimits& limits = {});

/// The same, with what is wrong in `error`; then the text is empty.
std::string read_file(const std::string& path, std::error_code& error, const ReadLimits& limits = {});

/// What such an error means, for people.
std::string reason_of(const std::error_code& read_error);

}  // namespace bullpen
