#include "servers/bench/compare/machine.hpp"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <sstream>

#include "core/read_file.hpp"

namespace bullpen {
namespace {

std::string processor_name() {
    std::error_code none;
    std::istringstream lines{read_file("/proc/cpuinfo", none)};
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("model name")) continue;
        const std::size_t colon = line.find(": ");
        return colon == std::string::npos ? "" : line.substr(colon + 2);
    }
    return {};
}

int usable_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    return static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace

Machine describe_machine() {
    utsname system{};
    ::uname(&system);
    constexpr long mib = 1024 * 1024;
    return {
        .kernel = std::string{system.sysname} + " " + system.release,
        .processor = processor_name(),
        .cpus = usable_cpus(),
        .memory_mib = ::sysconf(_SC_PHYS_PAGES) / (mib / ::sysconf(_SC_PAGESIZE)),
    };
}

}  // namespace bullpen
