#include "servers/services/file_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

#include "core/http/request_target.hpp"
#include "core/printable.hpp"

namespace bullpen::http {
namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

bool is_served(mode_t mode) noexcept {
    return S_ISREG(mode) || S_ISDIR(mode);
}

/// The link in /proc that leads to what a descriptor means.
class ProcLink {
public:
    explicit ProcLink(int fd) noexcept {
        std::snprintf(path_.data(), path_.size(), "/proc/self/fd/%d", fd);
        const ssize_t size = ::readlink(path_.data(), target_.data(), target_.size());
        size_ = size > 0 ? static_cast<std::size_t>(size) : 0;
    }

    [[nodiscard]] const char* path() const noexcept { return path_.data(); }
    [[nodiscard]] std::string_view target() const noexcept { return {target_.data(), size_}; }

private:
    std::array<char, 32> path_;
    std::array<char, PATH_MAX> target_;
    std::size_t size_;
};

}  // namespace

FileTree::FileTree(const std::string& root, Links links)
    : name_{root},
      links_{links},
      root_{::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)},
      next_look_{(Clock::now() + root_lifetime).time_since_epoch().count()} {
    const auto fail = [&] {
        throw std::system_error{errno, std::generic_category(),
                                "cannot serve the files below \"" + printable(root) + "\""};
    };
    if (!root_) fail();
    if (!open_below("", O_PATH)) fail();  // ENOSYS before Linux 5.6.
    std::error_code error;
    name_ = std::filesystem::absolute(root, error);
    if (error) name_ = root;
}

bool FileTree::renew_root(TimePoint now) noexcept {
    TimePoint::rep due = next_look_.load(std::memory_order_relaxed);
    const TimePoint::rep next = (now + root_lifetime).time_since_epoch().count();
    if (now.time_since_epoch().count() < due || !next_look_.compare_exchange_strong(due, next)) return false;
    struct stat named;
    struct stat held;
    if (::stat(name_.c_str(), &named) != 0 || ::fstat(root_.get(), &held) != 0) return false;
    if (named.st_dev == held.st_dev && named.st_ino == held.st_ino) return false;
    const UniqueFd renewed{::open(name_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    // Other threads may be using the number: it changes its meaning at once, and is never free.
    return renewed && ::dup3(renewed.get(), root_.get(), O_CLOEXEC) >= 0;
}

OpenedFile FileTree::open(const std::string& path) const {
    OpenedFile opened;
    opened.status.st_mode = 0;
    if (has_hidden_part(path)) {
        opened.error = ENOENT;
        return opened;
    }
    opened.fd = open_below(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!opened.fd || ::fstat(opened.fd.get(), &opened.status) != 0) {
        opened.error = errno;
        opened.fd.reset();
    } else if (!is_served(opened.status.st_mode)) {
        opened.error = ENOENT;
        opened.fd.reset();
    }
    return opened;
}

FileIdentity FileTree::identify(const std::string& path) const noexcept {
    struct stat status;
    if (::fstatat(root_.get(), path.c_str(), &status, 0) != 0) return {};
    return FileIdentity{status};
}

DirectoryEntries FileTree::entries(OpenedFile directory, const std::string& path) const {
    const std::unique_ptr<DIR, CloseDirectory> stream{::fdopendir(directory.fd.get())};
    if (!stream) throw std::system_error{errno, std::generic_category(), "read a directory"};
    static_cast<void>(directory.fd.release());  // The stream owns it now.

    DirectoryEntries found;
    int denied = 0;
    errno = 0;
    while (const dirent* entry = ::readdir(stream.get())) {
        struct stat status;
        if (entry->d_name[0] != '.') {
            const int error = look_at(::dirfd(stream.get()), path, entry->d_name, status);
            if (error == EACCES) denied = error;
            if (error == 0 && found.entries.size() == entries_max) {
                found.complete = false;
                break;
            }
            if (error == 0)
                found.entries.push_back({.name = entry->d_name,
                                         .is_directory = S_ISDIR(status.st_mode),
                                         .size = static_cast<std::uint64_t>(status.st_size),
                                         .modified = status.st_mtim.tv_sec});
        }
        errno = 0;  // Only this tells the end from an error.
    }
    const int error = errno != 0 && found.complete ? errno : found.entries.empty() ? denied : 0;
    if (error != 0) throw std::system_error{error, std::generic_category(), "list a directory"};
    return found;
}

/// Returns an errno value: why the entry isn't shown. EACCES: the directory may be read, not searched.
int FileTree::look_at(int directory, const std::string& path, const char* name, struct stat& status) const {
    if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return errno;
    if (S_ISLNK(status.st_mode)) {
        const UniqueFd target = open_below(path + name, O_PATH);
        if (!target || ::fstat(target.get(), &status) != 0) return ENOENT;
    }
    return is_served(status.st_mode) ? 0 : ENOENT;
}

UniqueFd FileTree::open_below(const std::string& path, std::uint64_t flags) const {
    const char* const name = path.empty() ? "." : path.c_str();
    const std::uint64_t resolve = links_ == Links::none ? RESOLVE_NO_SYMLINKS : 0;
    UniqueFd opened = open_from_root(name, flags, RESOLVE_BENEATH | resolve);
    if (opened || errno != EXDEV || links_ == Links::none) return opened;
    return open_by_link(path, flags);
}

/// For a path on which a symlink is absolute or goes up: where it has led to is looked up, and where each of
/// the path's directories has. EXDEV: not below the root.
UniqueFd FileTree::open_by_link(const std::string& path, std::uint64_t flags) const {
    UniqueFd found = open_from_root(path.c_str(), O_PATH, 0);
    struct stat status;
    if (!found || ::fstat(found.get(), &status) != 0) return {};
    bool allowed = is_served(status.st_mode) && is_below_root(found.get());
    for (std::size_t end = path.find('/'); allowed && end != std::string::npos; end = path.find('/', end + 1))
        if (end > 0) {
            const UniqueFd directory = open_from_root(path.substr(0, end).c_str(), O_PATH, 0);
            allowed = directory && is_below_root(directory.get());
        }
    if (!allowed) {
        errno = EXDEV;
        return {};
    }
    if ((flags & O_PATH) != 0) return found;
    return UniqueFd{::open(ProcLink{found.get()}.path(), static_cast<int>(flags) | O_CLOEXEC)};
}

bool FileTree::is_below_root(int file) const noexcept {
    const ProcLink root{root_.get()};
    const ProcLink reached{file};
    if (root.target().empty() || !reached.target().starts_with(root.target())) return false;
    const std::string_view rest = reached.target().substr(root.target().size());
    return rest.empty() || rest.front() == '/' || root.target() == "/";
}

UniqueFd FileTree::open_from_root(const char* path, std::uint64_t flags,
                                  std::uint64_t resolve) const noexcept {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.resolve = resolve | RESOLVE_NO_MAGICLINKS;
    // EAGAIN: a rename or mount happened during the walk, so the kernel couldn't verify a "..".
    constexpr int tries = 8;
    for (int i = 0; i < tries; ++i) {
        const long fd = ::syscall(SYS_openat2, root_.get(), path, &how, sizeof how);
        if (fd >= 0) return UniqueFd{static_cast<int>(fd)};
        if (errno != EAGAIN && errno != EINTR) break;
    }
    return {};
}

}  // namespace bullpen::http
