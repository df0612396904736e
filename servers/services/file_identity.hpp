/// File identities: which file it is, and in which state.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>

namespace bullpen::http {

/// Two equal identities mean the same contents and the same permissions: every change of either sets st_ctim
/// (stat(3type)), which no program can set at will. A write through a mapping (mmap(2)) sets it when the
/// kernel writes the page back at the latest.
class FileIdentity {
public:
    FileIdentity() noexcept = default;  ///< Of no file.
    explicit FileIdentity(const struct stat& status) noexcept
        : device_{status.st_dev},
          inode_{status.st_ino},
          size_{status.st_size},
          modified_{nanoseconds(status.st_mtim)},
          changed_{nanoseconds(status.st_ctim)} {}

    bool operator==(const FileIdentity&) const noexcept = default;

    /// Whether every later change will make another identity. The clock of st_ctim ticks in milliseconds, so
    /// a file that changed within the last second might change again without a new time.
    [[nodiscard]] bool is_settled(std::chrono::system_clock::time_point now) const noexcept {
        constexpr std::chrono::seconds long_enough{1};
        return now.time_since_epoch() - std::chrono::nanoseconds{changed_} > long_enough;
    }

private:
    /// A file may be of the year 2446, which overflows: no harm, it is compared only.
    static std::int64_t nanoseconds(timespec time) noexcept {
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U +
                                         static_cast<std::uint64_t>(time.tv_nsec));
    }

    dev_t device_ = 0;
    ino_t inode_ = 0;
    off_t size_ = 0;
    std::int64_t modified_ = 0;
    std::int64_t changed_ = 0;
};

}  // namespace bullpen::http
