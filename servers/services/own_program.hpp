/// The program form of a built-in service: this executable itself.
#pragma once

#include <string>

#include <bullpen/program.hpp>

namespace bullpen {

/// `bullpen handle SERVICE`, with the path of this process's executable. Throws std::system_error.
Program own_program(const std::string& service);

}  // namespace bullpen
