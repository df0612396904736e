/// A command that runs within limits, in a group of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <bullpen/unique_fd.hpp>

namespace bullpen {

struct CommandBounds {
    std::uint64_t cpu_s = 0;             ///< RLIMIT_CPU.
    std::uint64_t memory_bytes = 0;      ///< RLIMIT_AS.
    std::optional<uid_t> user = {};      ///< Whom it runs as; nothing: as this process.
    gid_t group = 0;                     ///< With a user: its group, the only one that it has.
    std::vector<std::string> variables;  ///< Its whole environment.
};

/// A child of this process, which ends with the worker that started it: as a group when this object goes,
/// itself if the worker is killed. Its input is /dev/null, its output and errors are one pipe; no other
/// descriptor is open in it. May be made by one of several threads.
class BoundedCommand {
public:
    /// argv[0] is the path of a file. Throws std::system_error, also if it can't be executed.
    BoundedCommand(const std::vector<std::string>& argv, const CommandBounds& bounds);
    ~BoundedCommand();
    BoundedCommand(const BoundedCommand&) = delete;
    BoundedCommand& operator=(const BoundedCommand&) = delete;

    /// What it writes; non-blocking.
    [[nodiscard]] int output() const noexcept { return output_.get(); }

    /// Readable once it has ended (pidfd_open(2)).
    [[nodiscard]] int end() const noexcept { return end_.get(); }

    /// Kills what is left of its group, waits for it, and returns its status as waitpid(2) gives it.
    int finish() noexcept;

private:
    pid_t pid_ = 0;
    UniqueFd output_;
    UniqueFd end_;
};

}  // namespace bullpen
