/// Which file it is, and in which state.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>

namespace bullpen::http {

/// Two that are equal mean the same contents and the same permissions: whatever changes either sets the time
/// of the last change (st_ctim, stat(3type)), which no program can set at will. Who writes through a mapping
/// (mmap(2)) is seen no later than the kernel writes its pages back.
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

    /// Whether a later change will be told apart: the clock that files are stamped with ticks in
    /// milliseconds, so that what has changed just now may change again within the same tick.
    [[nodiscard]] bool is_settled(std::chrono::system_clock::time_point now) const noexcept {
        constexpr std::chrono::seconds long_enough{1};
        return now.time_since_epoch() - std::chrono::nanoseconds{changed_} > long_enough;
    }

private:
    static std::int64_t nanoseconds(timespec time) noexcept {
        return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
    }

    dev_t device_ = 0;
    ino_t inode_ = 0;
    off_t size_ = 0;
    std::int64_t modified_ = 0;
    std::int64_t changed_ = 0;
};

}  // namespace bullpen::http
