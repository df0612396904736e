#include "servers/services/own_program.hpp"

#include <filesystem>

namespace bullpen {

Program own_program(const std::string& service) {
    return {.argv = {std::filesystem::read_symlink("/proc/self/exe"), "handle", service}};
}

}  // namespace bullpen
