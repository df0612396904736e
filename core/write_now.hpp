/// A write that never waits.
#pragma once

#include <string_view>

namespace bullpen {

/// Writes `text` to a descriptor of any kind (borrowed) if it takes the whole of it now; at most PIPE_BUF
/// bytes of it to a pipe or a terminal. Returns whether it was written. SIGPIPE and SIGXFSZ must be ignored.
bool write_now(int fd, std::string_view text) noexcept;

}  // namespace bullpen
