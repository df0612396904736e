/// Where the log's lines go, and on whose behalf they are written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <bullpen/log.hpp>

namespace bullpen {

struct LogOptions {
    std::string to = "stderr";  ///< Or "fd:N", an open descriptor; or a path.
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::text;
};

/// What is wrong with LogOptions::to as a text, as a sentence; empty if nothing is. Opens nothing.
std::string log_complaint(std::string_view to);

/// The N of "fd:N"; -1 if it is none.
int descriptor_of_log(std::string_view to) noexcept;

/// From here on lines go there, through a descriptor of the log's own: a handler that closes or replaces
/// another, say 2, changes nothing. Children keep it (close_all_except), programs don't. Without a free
/// descriptor a log on stderr stays as it was. A server calls it at its start, before it has children.
/// Throws std::runtime_error, one sentence, if there is no such descriptor or the file can't be opened; then
/// all stays as it was. A file is made with mode 0640, less the umask, because it names clients.
void open_log(const LogOptions& options);

enum class Reopened {
    yes,
    no_file,  ///< The log was no file that has a name when open_log() was called.
    failed,   ///< errno says why; the log goes on in the old file.
};

/// Opens the file of the log's name again, or makes it: the old one has been renamed. It takes the old one's
/// place behind the log's own descriptor, and behind 1, 2 and the N of "fd:N" where they are that file. All
/// processes that were forked after open_log() do the same, each before its next line. Called by one process
/// at a time.
Reopened reopen_log() noexcept;

/// Whether it is a file as reopen_log() opens it: a process that died in there leaves one in a descriptor
/// table that others share.
[[nodiscard]] bool is_opened_for_log(int fd) noexcept;

/// The log's own descriptor; -1 without one.
int log_descriptor() noexcept;

/// Less important lines than this are not written: by this process, and, once open_log() was called, by all
/// that were forked since. Default: info.
void set_log_level(LogLevel level) noexcept;

/// Lines this process has dropped so far.
std::uint64_t log_lines_dropped() noexcept;

/// On whose behalf a thread writes lines.
struct LogSource {
    static constexpr std::uint32_t no_slot = UINT32_MAX;
    std::string_view pool{};
    std::uint32_t slot = no_slot;  ///< Of a worker, if the thread is one's.
    int client = -1;  ///< Its socket, borrowed. Asked for the address only when a line is written.
};

/// While it lives, the calling thread's lines are of that source. Innermost wins.
class LogsFor {
public:
    explicit LogsFor(LogSource source) noexcept;
    /// The source that holds, with this client.
    static LogsFor client(int socket) noexcept;
    ~LogsFor();
    LogsFor(const LogsFor&) = delete;
    LogsFor& operator=(const LogsFor&) = delete;

private:
    LogSource source_;
    const LogSource* outer_;
};

}  // namespace bullpen
