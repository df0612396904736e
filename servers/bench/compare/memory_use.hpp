/// The memory of a tree of processes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace bullpen {

/// All that descend from it and live, in no order.
std::vector<pid_t> descendants_of(pid_t pid);

/// Its proportional set size in kB: what it shares with others is divided among them. 0 if it has ended.
std::int64_t pss_kb(pid_t pid);

/// The line "Pss:" of /proc/PID/smaps_rollup (proc(5)). 0 if there is none.
std::int64_t parse_pss_kb(std::string_view smaps_rollup);

}  // namespace bullpen
