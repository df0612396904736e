/// Lines for the operator, on stderr.
#pragma once

#include <cstdint>
#include <string_view>

namespace bullpen {

enum class LogLevel { debug, info, warning, error };

/// Writes one line "TIME LEVEL [pid] text". Never waits: a line that can't be written now (a full pipe, a
/// stopped terminal) is dropped and counted. Control bytes in `text` are escaped. Any process, one thread.
void log(LogLevel level, std::string_view text) noexcept;

/// From here on lines go to what stderr is now, through a descriptor of the log's own: a handler that closes
/// or replaces descriptor 2 changes nothing. Children keep it (close_all_except), programs don't. Without a
/// free descriptor all stays as it was. A server calls it at its start.
void keep_log_open() noexcept;

enum class Reopened {
    yes,
    no_file,  ///< The log was no file that has a name when keep_log_open() was called.
    failed,   ///< errno says why; the log goes on in the old file.
};

/// Opens the file of the log's name again, or makes it: the old one has been renamed. It takes the old one's
/// place behind the log's own descriptor, and behind 1 and 2 where they are that file. All processes that
/// were forked after keep_log_open() do the same, each before its next line. Called by one process at a time.
Reopened reopen_log() noexcept;

/// Whether it is a file as reopen_log() opens it: a process that died in there leaves one in a descriptor
/// table that others share.
[[nodiscard]] bool is_opened_for_log(int fd) noexcept;

/// The log's own descriptor; -1 without one.
int log_descriptor() noexcept;

/// Less important lines than this are not written. Default: info.
void set_log_level(LogLevel level) noexcept;

/// Lines this process has dropped so far.
std::uint64_t log_lines_dropped() noexcept;

}  // namespace bullpen
