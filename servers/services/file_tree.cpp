#include "servers/services/file_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "core/http/request_target.hpp"

namespace bullpen::http {
namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

bool is_served(mode_t mode) noexcept {
    return S_ISREG(mode) || S_ISDIR(mode);
}

}  // namespace

FileTree::FileTree(const std::string& root) : root_{::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)} {
    const auto fail = [&] {
        throw std::system_error{errno, std::generic_category(),
                                "cannot serve the files below \"" + root + "\""};
    };
    if (!root_) fail();
    if (!open_beneath(".", O_PATH)) fail();  // ENOSYS before Linux 5.6.
}

OpenedFile FileTree::open(const std::string& path) const noexcept {
    OpenedFile opened;
    opened.status.st_mode = 0;
    if (has_hidden_part(path)) {
        opened.error = ENOENT;
        return opened;
    }
    opened.fd = open_beneath(path.empty() ? "." : path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY);
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
    while (const dirent* entry = ::readdir(stream.get())) {
        struct stat status;
        if (entry->d_name[0] == '.' || !look_at(::dirfd(stream.get()), path, entry->d_name, status)) continue;
        if (found.entries.size() == entries_max) {
            found.complete = false;
            break;
        }
        found.entries.push_back({.name = entry->d_name,
                                 .is_directory = S_ISDIR(status.st_mode),
                                 .size = static_cast<std::uint64_t>(status.st_size),
                                 .modified = status.st_mtim.tv_sec});
    }
    return found;
}

bool FileTree::look_at(int directory, const std::string& path, const char* name, struct stat& status) const {
    if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
    if (S_ISLNK(status.st_mode)) {
        const UniqueFd target = open_beneath((path + name).c_str(), O_PATH);
        if (!target || ::fstat(target.get(), &status) != 0) return false;
    }
    return is_served(status.st_mode);
}

UniqueFd FileTree::open_beneath(const char* path, std::uint64_t flags) const noexcept {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
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
