/// A file tree: the files below one directory, which may be served.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include <bullpen/clock.hpp>
#include <bullpen/unique_fd.hpp>
#include "servers/services/file_identity.hpp"
#include "servers/services/links.hpp"

namespace bullpen::http {

/// A file or directory that is open for reading, or the reason why it couldn't be opened.
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

/// Opens regular files and directories beneath its root and nothing else, whatever the path is. "..",
/// symlinks that lead out, magic links (/proc) and parts that begin with a dot find nothing, also while the
/// tree changes. Safe to use from several processes and threads.
class FileTree {
public:
    static constexpr std::size_t entries_max = 10'000;
    static constexpr std::chrono::seconds root_lifetime{1};

    /// Throws std::system_error, one sentence, if there is no such directory.
    explicit FileTree(const std::string& root, Links links = Links::below);

    /// Looks where the root's name leads now, at most once in root_lifetime; for the caller to call before
    /// each request. True: to another directory, whose files are served from now on. While it leads nowhere
    /// the old one is served.
    bool renew_root(TimePoint now) noexcept;

    /// Opens `path`, which is relative to the root; "" is the root itself. A path that ends in a slash finds
    /// only a directory. A FIFO, socket or device gives ENOENT and doesn't block.
    [[nodiscard]] OpenedFile open(const std::string& path) const;

    /// The identity of what `path` leads to now, symlinks followed even out of the tree: for comparing with
    /// the identity of a file that open() returned.
    [[nodiscard]] FileIdentity identify(const std::string& path) const noexcept;

    /// The visible entries of a directory that open(path) returned, at most entries_max (10,000), unordered.
    /// A symlink is shown as the file or directory that open() would find. Throws std::system_error if the
    /// directory can't be read.
    [[nodiscard]] DirectoryEntries entries(OpenedFile directory, const std::string& path) const;

private:
    [[nodiscard]] UniqueFd open_below(const std::string& path, std::uint64_t flags) const;
    [[nodiscard]] UniqueFd open_by_link(const std::string& path, std::uint64_t flags) const;
    [[nodiscard]] UniqueFd open_from_root(const char* path, std::uint64_t flags,
                                          std::uint64_t resolve) const noexcept;
    [[nodiscard]] bool is_below_root(int file) const noexcept;
    [[nodiscard]] int look_at(int directory, const std::string& path, const char* name,
                              struct stat& status) const;

    std::string name_;  ///< Absolute, its symlinks not resolved.
    Links links_;
    UniqueFd root_;  ///< Stays the same number when it comes to mean another directory.
    std::atomic<TimePoint::rep> next_look_;
};

}  // namespace bullpen::http
