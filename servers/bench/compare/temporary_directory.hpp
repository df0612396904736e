/// A directory of our own below $TMPDIR or /tmp, removed with all that is in it.
#pragma once

#include <filesystem>

namespace bullpen {

class TemporaryDirectory {
public:
    /// Throws std::system_error, one sentence.
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace bullpen
