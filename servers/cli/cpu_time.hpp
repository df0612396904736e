/// CPU time: of processes, and of the machine as a whole.
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <string_view>

namespace bullpen {

/// User and system time together.
inline double cpu_seconds(const rusage& usage) noexcept {
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
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
