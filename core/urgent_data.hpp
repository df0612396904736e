/// TCP's urgent data.
#pragma once

namespace bullpen {

/// The next byte to be read is, or comes behind, an urgent one.
bool is_at_urgent_mark(int socket) noexcept;

}  // namespace bullpen
