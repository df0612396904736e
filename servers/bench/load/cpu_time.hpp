/// CPU time and context switches: of processes, and of the machine as a whole.
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <string_view>

namespace bullpen {

/// What a process, and those it has waited for, have used.
struct Usage {
    double user_s = 0;
    double system_s = 0;
    std::int64_t voluntary_switches = 0;
    std::int64_t involuntary_switches = 0;
};

Usage usage_of(const rusage& usage) noexcept;

inline double cpu_seconds(const rusage& usage) noexcept {
    const Usage used = usage_of(usage);
    return used.user_s + used.system_s;
}

/// The ticks of all CPUs since boot.
struct MachineTicks {
    std::uint64_t busy = 0;
    std::uint64_t all = 0;
};

/// Reads the line "cpu …" of /proc/stat (proc(5)). All 0 if there is none.
MachineTicks parse_machine_ticks(std::string_view proc_stat);
MachineTicks read_machine_ticks();

/// 0 to 1; 0 if no tick has passed.
double busy_share(MachineTicks before, MachineTicks after) noexcept;

}  // namespace bullpen
