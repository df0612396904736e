/// One open descriptor and its owner.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace bullpen {

/// Owns one open descriptor and closes it. Moves, never copies; empty (-1) after a move.
/// In a signature a UniqueFd owns and a plain int borrows.
class UniqueFd {
public:
    UniqueFd() noexcept = default;
    explicit UniqueFd(int fd) noexcept : fd_{fd} {}
    UniqueFd(UniqueFd&& other) noexcept : fd_{other.release()} {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        reset(other.release());
        return *this;
    }
    ~UniqueFd() { reset(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    explicit operator bool() const noexcept { return fd_ >= 0; }

    void reset(int fd = -1) noexcept {
        const int old = std::exchange(fd_, fd);
        if (old < 0) return;
        const int saved = errno;  // Cleanup must not hide the error that caused it.
        ::close(old);             // Never retried: on Linux the number is free even after EINTR.
        errno = saved;
    }

private:
    int fd_ = -1;
};

}  // namespace bullpen
