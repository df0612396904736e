#include "servers/bench/load/cpu_time.hpp"

#include <array>
#include <numeric>
#include <sstream>
#include <string>

#include "core/read_file.hpp"

namespace bullpen {

Usage usage_of(const rusage& usage) noexcept {
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return {
        .user_s = seconds(usage.ru_utime),
        .system_s = seconds(usage.ru_stime),
        .voluntary_switches = usage.ru_nvcsw,
        .involuntary_switches = usage.ru_nivcsw,
    };
}

MachineTicks parse_machine_ticks(std::string_view proc_stat) {
    std::istringstream line{std::string{proc_stat.substr(0, proc_stat.find('\n'))}};
    std::string label;
    line >> label;
    if (label != "cpu") return {};
    // user nice system idle iowait irq softirq steal; what follows is contained in the first two.
    std::array<std::uint64_t, 8> ticks{};
    for (std::uint64_t& tick : ticks)
        line >> tick;
    const std::uint64_t all = std::accumulate(ticks.begin(), ticks.end(), std::uint64_t{0});
    return {.busy = all - ticks[3] - ticks[4], .all = all};
}

MachineTicks read_machine_ticks() {
    std::error_code none;
    return parse_machine_ticks(read_file("/proc/stat", none));
}

double busy_share(MachineTicks before, MachineTicks after) noexcept {
    if (after.all <= before.all || after.busy < before.busy) return 0;
    return static_cast<double>(after.busy - before.busy) / static_cast<double>(after.all - before.all);
}

}  // namespace bullpen
