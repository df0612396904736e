/// Lines for the operator, on stderr.
#pragma once

#include <cstdint>
#include <string_view>

namespace bullpen {

enum class LogLevel { debug, info, warning, error };

/// Writes one line "TIME LEVEL [pid] text". Never waits: a line that can't be written now (a full pipe, a
/// stopped terminal) is dropped and counted. Control bytes in `text` are escaped. Any process, one thread.
void log(LogLevel level, std::string_view text) noexcept;

/// Less important lines than this are not written. Default: info.
void set_log_level(LogLevel level) noexcept;

/// Lines this process has dropped so far.
std::uint64_t log_lines_dropped() noexcept;

}  // namespace bullpen
