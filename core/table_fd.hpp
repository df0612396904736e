/// The number of a descriptor in memory that several processes with one descriptor table share.
#pragma once

#include <bullpen/unique_fd.hpp>

namespace bullpen {

/// Owns a descriptor for whichever process acts at the time, and is plain data: memory of zeros is empty, and
/// nothing is closed when a process ends. A process that dies in reset() may leave a number that is closed
/// already: its successor asks which numbers are open before it opens any.
class TableFd {
public:
    [[nodiscard]] int get() const noexcept { return number_ - 1; }
    explicit operator bool() const noexcept { return number_ != 0; }

    TableFd& operator=(UniqueFd&& fd) noexcept {
        reset();
        number_ = fd.release() + 1;
        return *this;
    }
    [[nodiscard]] UniqueFd release() noexcept {
        UniqueFd fd{get()};
        forget();
        return fd;
    }
    /// Notes a descriptor that another object owns as long as its process lives.
    void note(int fd) noexcept { number_ = fd + 1; }
    void reset() noexcept {
        UniqueFd{get()}.reset();
        forget();
    }
    /// Empties it and closes nothing: the number isn't open any more.
    void forget() noexcept { number_ = 0; }

private:
    int number_ = 0;  ///< Plus 1.
};

}  // namespace bullpen
