/// What the trial of full receive buffers found, in words; the same on the terminal and on the page.
#pragma once

#include <string>

#include "servers/bench/compare/comparison.hpp"

namespace bullpen {

/// What was done, to stand above the table.
std::string explain_full_buffers();

std::string no_room_text(const FullBuffer& found);     ///< "EAGAIN" or "–".
std::string waiting_text(const FullBuffer& found);     ///< "is held" or "isn't".
std::string first_read_text(const FullBuffer& found);  ///< "in one read" or "in two".

}  // namespace bullpen
