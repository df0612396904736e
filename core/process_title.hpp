/// How ps and top show a process, and the memory that this takes: the arguments' and the environment's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bullpen {

/// The arguments that this program was started with, whatever titles have been set.
[[nodiscard]] std::vector<std::string> program_arguments();

/// Makes room for titles. The strings of main()'s argv, and those of the environment, which lie behind them,
/// move to memory of their own; argv, environ and program_invocation_name point there. Whoever has kept such
/// a string's address finds titles in it from then on. In a process with one thread, before it forks those
/// that get titles. Throws std::bad_alloc.
void make_room_for_titles();

/// From here on set_process_title() has no effect, in this process and in those that it forks.
void refuse_titles() noexcept;

/// Cut to the room that there is: without make_room_for_titles() the command line's, whose strings are lost
/// then; and 15 bytes of it for what prctl(PR_SET_NAME) names.
void set_process_title(std::string_view title) noexcept;

}  // namespace bullpen
