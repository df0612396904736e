/// How a command ends: with a sentence if something is wrong, and main()'s exit status.
#pragma once

#include <functional>
#include <string_view>

namespace bullpen {

/// Writes "WHO: SENTENCE" to stderr, in one line.
void complain(std::string_view sentence, std::string_view who = "bullpen");

/// Runs `body` and turns what it throws into one sentence on stderr and an exit status: 2 for wrong usage
/// (std::invalid_argument), 1 for what could not be done, 0 for a stop that came before the start was done.
int exit_status_of(const std::function<int()>& body, std::string_view who = "bullpen") noexcept;

}  // namespace bullpen
