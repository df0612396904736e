/// Files that were served lately, kept for the next request (nginx: open_file_cache).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/clock.hpp"
#include "core/unique_fd.hpp"
#include "servers/services/file_identity.hpp"
#include "servers/services/validator.hpp"

namespace bullpen::http {

/// A regular file, as it was when it was opened.
struct KeptFile {
    UniqueFd fd;           ///< Empty if `contents` are all of it.
    std::string contents;  ///< Of a small file.
    std::uint64_t size;
    Validator validator;
    std::string_view type;  ///< Content-Type, of the static kind that media_type() returns.
    std::string headers;    ///< The lines that an answer with the whole file has about it.
    FileIdentity identity;  ///< Of no file: can't be told apart from a later state.
};

/// For its lifetime a file is trusted: it is served as it was, whatever has become of it meanwhile. After
/// that, and from the beginning where the lifetime is 0, it is looked at before each use, which costs one
/// system call and not the four of opening, looking, reading and closing. Only what was found is kept, so
/// that a new file is there at once.
///
/// One cache serves all threads of a process; a process that forks before its first find() leaves its
/// children one each. Whoever holds a file may use it on after the cache has dropped it.
class FileCache {
public:
    struct Limits {
        std::chrono::seconds lifetime{0};  ///< Counted from the file's opening or the last look at it.
        std::size_t files_max = 1'000;
        std::size_t bytes_max = std::size_t{32} * 1024 * 1024;  ///< Of contents, headers and paths.

        /// Where nobody has asked for a lifetime: what every worker may well afford.
        static Limits modest() noexcept {
            Limits limits;
            limits.files_max = 64;
            limits.bytes_max = std::size_t{256} * 1024;
            return limits;
        }
    };

    explicit FileCache(Limits limits) noexcept : limits_{limits} {}

    /// Without a lifetime no file is kept open: it could be deleted, and its room on the disk not be freed.
    [[nodiscard]] bool keeps_descriptors() const noexcept { return limits_.lifetime.count() > 0; }

    struct Found {
        std::shared_ptr<const KeptFile> file;  ///< Null if there is none.
        bool trusted = false;                  ///< Else look at it first, and renew() it if it is the same.
    };
    [[nodiscard]] Found find(std::string_view path, TimePoint now) const;

    /// It was the same at `now`.
    void renew(std::string_view path, TimePoint now);

    /// Keeps a file that was opened at `now`. The oldest ones go where the limits want it; a file that is
    /// larger than the limit by itself isn't kept.
    void keep(std::string_view path, std::shared_ptr<const KeptFile> file, TimePoint now);

    /// Drops everything: descriptors have run out.
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
    mutable std::mutex mutex_;                                         // Over all below.
    Entries by_age_;                                                   // The oldest first.
    std::unordered_map<std::string_view, Entries::iterator> by_path_;  // Views of the entries' own paths.
    std::size_t bytes_ = 0;
};

}  // namespace bullpen::http
