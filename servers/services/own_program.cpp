#include "servers/services/own_program.hpp"

#include <sys/auxv.h>

#include <filesystem>
#include <system_error>

namespace bullpen {

Program own_program(const std::string& service) {
    std::error_code no_proc;
    std::filesystem::path file = std::filesystem::read_symlink("/proc/self/exe", no_proc);
    if (no_proc) file = std::filesystem::absolute(reinterpret_cast<const char*>(::getauxval(AT_EXECFN)));
    return {.argv = {file, "handle", service}};
}

}  // namespace bullpen
