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

/// The log's own descriptor; -1 without one.
int log_descriptor() noexcept;

/// Less important lines than this are not written. Default: info.
void set_log_level(LogLevel level) noexcept;

/// Lines this process has dropped so far.
std::uint64_t log_lines_dropped() noexcept;

}  // namespace bullpen
