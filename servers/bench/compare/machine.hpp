/// The machine that a measurement was made on.
#pragma once

#include <string>

namespace bullpen {

struct Machine {
    std::string kernel;     ///< "Linux 6.1.0-18-amd64"
    std::string processor;  ///< As /proc/cpuinfo names it; may be empty.
    int cpus = 1;           ///< That this process may use.
    long memory_mib = 0;
};

Machine describe_machine();

}  // namespace bullpen
