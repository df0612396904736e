/// A file that is either written as a whole or not at all.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace bullpen {

/// Made before the work whose result it takes, so that a path that can't be written is known at once. A
/// regular file is replaced by rename(2); anything else (a pipe, /dev/stdout) is written to.
class ResultFile {
public:
    /// Throws std::system_error, one sentence.
    explicit ResultFile(const std::string& path);
    ~ResultFile();
    ResultFile(const ResultFile&) = delete;
    ResultFile& operator=(const ResultFile&) = delete;

    /// Waits for the reader of a FIFO, for `patience` at most. Throws std::system_error or
    /// std::runtime_error, one sentence; then a regular file is as it was.
    void commit(std::string_view text, std::chrono::milliseconds patience = std::chrono::seconds{5});

private:
    std::string path_;
    std::string temporary_;  ///< Beside it; empty once renamed, or where there is nothing to rename.
};

}  // namespace bullpen
