/// The file cache: files that were served recently, kept for the next request (as nginx's open_file_cache).
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include <bullpen/clock.hpp>
#include <bullpen/unique_fd.hpp>
#include "servers/services/file_identity.hpp"
#include "servers/services/validator.hpp"

namespace bullpen::http {

/// A regular file, as it was when it was opened.
struct KeptFile {
    UniqueFd fd;           ///< Empty if `contents` are all of it.
    std::string contents;  ///< Of a small file.
    std::uint64_t size;
    Validator validator;
    std::string headers;    ///< The header lines about the file, as an answer with the whole file has them.
    FileIdentity identity;  ///< Default-made if the file changed too recently (FileIdentity::is_settled).
};

/// Within `lifetime` a kept file is trusted: it is served as it was when it was last looked at, even if it
/// has changed since. After that (with lifetime 0: always) it is looked at before each use, which costs one
/// system call instead of four (open, stat, read, close). Misses are not kept, so a new file is found at
/// once.
///
/// One cache serves all threads of a process; after a fork each child has a cache of its own. A caller may
/// use a file after the cache has dropped it.
class FileCache {
public:
    struct Limits {
        std::chrono::seconds lifetime{0};  ///< Counted from when the file was opened or last looked at.
        std::size_t files_max = 1'000;
        std::size_t bytes_max = std::size_t{32} * 1024 * 1024;  ///< Of contents, headers and paths.

        /// The limits without --file-cache: small enough for every worker to have a cache.
        static Limits modest() noexcept {
            Limits limits;
            limits.files_max = 64;
            limits.bytes_max = std::size_t{256} * 1024;
            return limits;
        }
    };

    explicit FileCache(Limits limits) noexcept : limits_{limits} {}

    /// With lifetime 0 no file is kept open, because the disk space of a deleted file would stay occupied.
    [[nodiscard]] bool keeps_descriptors() const noexcept { return limits_.lifetime.count() > 0; }

    struct Found {
        std::shared_ptr<const KeptFile> file;  ///< Null if the path isn't kept.
        bool trusted = false;  ///< False: compare its identity, and renew() it if it is the same.
    };
    [[nodiscard]] Found find(std::string_view path, TimePoint now) const;

    /// Notes that the file was looked at and unchanged at `now`.
    void renew(std::string_view path, TimePoint now);

    /// Changes with clear(). To be read before the file is opened that is to be kept.
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_.load(std::memory_order_acquire); }

    /// Keeps a file that was opened at `now`, unless the cache has been cleared since `epoch`. The oldest
    /// files are dropped until files_max and bytes_max hold; a file larger than bytes_max isn't kept.
    void keep(std::string_view path, std::shared_ptr<const KeptFile> file, TimePoint now,
              std::uint64_t epoch);

    /// Drops all files: their descriptors are needed, or their paths mean others now.
    void clear();

private:
    struct Entry {
        std::string path;
        std::shared_ptr<const KeptFile> file;
        TimePoint seen;
        [[nodiscard]] std::size_t bytes() const noexcept;
    };

    using Entries = std::list<Entry>;

    void drop(Entries::iterator entry);

    const Limits limits_;
    mutable std::mutex mutex_;                                         // Guards all members below.
    Entries by_age_;                                                   // The oldest first.
    std::unordered_map<std::string_view, Entries::iterator> by_path_;  // Views of the entries' own paths.
    std::size_t bytes_ = 0;
    std::atomic<std::uint64_t> epoch_{0};
};

}  // namespace bullpen::http
