/// The program form of a service that is built in: this very executable.
#pragma once

#include <string>

#include "core/program.hpp"

namespace bullpen {

/// `bullpen handle SERVICE`, by the path under which this process was started. Throws std::system_error.
Program own_program(const std::string& service);

}  // namespace bullpen
