#include "servers/cli/result_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <bullpen/clock.hpp>
#include <bullpen/unique_fd.hpp>
#include "servers/cli/output.hpp"

namespace bullpen {
namespace {

[[noreturn]] void refuse(const std::string& path) {
    throw std::system_error{errno, std::generic_category(), "cannot write " + path};
}

/// Where the symbolic links lead, so that none of them is replaced; the path itself if nothing is there yet.
std::string real_path(const std::string& path) {
    char resolved[PATH_MAX];
    return ::realpath(path.c_str(), resolved) != nullptr ? resolved : path;
}

/// A FIFO can be opened once somebody has opened it for reading, which nobody is waited for for ever.
UniqueFd open_to_write(const std::string& target, const std::string& path,
                       std::chrono::milliseconds patience) {
    constexpr std::chrono::milliseconds pause{20};
    const TimePoint deadline = Clock::now() + patience;
    for (;;) {
        UniqueFd file{::open(target.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
        if (file) return file;
        if (errno != ENXIO) refuse(path);
        if (Clock::now() >= deadline) throw std::runtime_error{"cannot write " + path + ": nobody reads it"};
        std::this_thread::sleep_for(pause);
    }
}

mode_t mode_of_new_files() {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    return 0666 & ~mask;
}

}  // namespace

ResultFile::ResultFile(const std::string& path) : path_{real_path(path)} {
    struct stat present {};
    const bool exists = ::stat(path.c_str(), &present) == 0;
    if (exists && ::access(path.c_str(), W_OK) != 0) refuse(path);
    if (exists && S_ISDIR(present.st_mode)) {
        errno = EISDIR;
        refuse(path);
    }
    if (exists && !S_ISREG(present.st_mode)) return;

    std::string name = path_ + ".XXXXXX";
    const UniqueFd file{::mkostemp(name.data(), O_CLOEXEC)};  // Closed again: no server is to inherit it.
    if (!file) refuse(path);
    temporary_ = name;
    ::fchmod(file.get(), exists ? present.st_mode & 07777 : mode_of_new_files());
}

ResultFile::~ResultFile() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void ResultFile::commit(std::string_view text, std::chrono::milliseconds patience) {
    const std::string& target = temporary_.empty() ? path_ : temporary_;
    const UniqueFd file = open_to_write(target, path_, patience);
    write_whole(file.get(), text, path_);
    if (temporary_.empty()) return;
    if (::fsync(file.get()) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) refuse(path_);
    temporary_.clear();
}

}  // namespace bullpen
