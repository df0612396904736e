/// The files that may be served: those below one directory.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "core/unique_fd.hpp"
#include "servers/services/file_identity.hpp"

namespace bullpen::http {

/// A file or directory, open for reading; or the reason why there is none.
struct OpenedFile {
    UniqueFd fd;
    int error = 0;  ///< An errno value if fd is empty.
    struct stat status;

    [[nodiscard]] bool is_directory() const noexcept { return S_ISDIR(status.st_mode); }
    [[nodiscard]] std::uint64_t size() const noexcept { return static_cast<std::uint64_t>(status.st_size); }
};

struct DirectoryEntry {
    std::string name;
    bool is_directory = false;
    std::uint64_t size = 0;
    std::time_t modified = 0;
};

struct DirectoryEntries {
    std::vector<DirectoryEntry> entries;
    bool complete = true;  ///< False if there were more than entries_max.
};

/// Opens regular files and directories beneath its root, whatever is in the path: "..", absolute symlinks and
/// symlinks that lead out find nothing; the kernel sees to it (openat2(2)), also while the tree changes.
/// Parts that begin with a dot find nothing. Holds the directory, not its name: who renames it and puts
/// another in its place still has this one served. Safe to use from several processes and threads.
class FileTree {
public:
    static constexpr std::size_t entries_max = 10'000;

    /// Throws std::system_error, one sentence, if there is no such directory.
    explicit FileTree(const std::string& root);

    /// The path is relative to the root; "" is the root itself. A path that ends in a slash finds only a
    /// directory. What is neither file nor directory (a FIFO, a socket, a device) is ENOENT and doesn't
    /// block.
    [[nodiscard]] OpenedFile open(const std::string& path) const noexcept;

    /// What is at the path now, symlinks followed, wherever they lead: to be compared with what open() once
    /// gave.
    [[nodiscard]] FileIdentity identify(const std::string& path) const noexcept;

    /// The visible entries of a directory that open(path) gave, in no order. A symlink shows what open()
    /// would find behind it.
    [[nodiscard]] DirectoryEntries entries(OpenedFile directory, const std::string& path) const;

private:
    [[nodiscard]] UniqueFd open_beneath(const char* path, std::uint64_t flags) const noexcept;
    [[nodiscard]] bool look_at(int directory, const std::string& path, const char* name,
                               struct stat& status) const;

    UniqueFd root_;
};

}  // namespace bullpen::http
