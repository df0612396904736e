/// A program that serves one client on its standard descriptors, as under inetd.
#pragma once

#include <string>
#include <vector>

namespace bullpen {

/// No shell is between: argv[0] is the path of an executable file.
struct Program {
    std::vector<std::string> argv;
};

}  // namespace bullpen
