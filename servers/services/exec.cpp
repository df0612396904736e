/// exec: a program for each client, with the connection as its standard descriptors (inetd).
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <system_error>

#include "servers/services/service.hpp"

namespace bullpen {
namespace {

namespace fs = std::filesystem;

/// An errno value: why the file can't be executed; 0 if it can.
int obstacle(const fs::path& file) noexcept {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) return errno;
    if (!S_ISREG(status.st_mode)) return S_ISDIR(status.st_mode) ? EISDIR : EACCES;
    return ::access(file.c_str(), X_OK) == 0 ? 0 : errno;
}

std::optional<fs::path> find_in_path(const std::string& name) {
    const char* variable = std::getenv("PATH");
    const std::string path = variable != nullptr ? variable : "/usr/bin:/bin";
    for (std::size_t begin = 0; begin <= path.size();) {
        const std::size_t end = std::min(path.find(':', begin), path.size());
        const fs::path folder = end > begin ? path.substr(begin, end - begin) : ".";
        if (obstacle(folder / name) == 0) return folder / name;
        begin = end + 1;
    }
    return {};
}

fs::path find_program(const std::string& name) {
    const bool is_path = name.find('/') != std::string::npos;
    const std::optional<fs::path> found = is_path ? fs::path{name} : find_in_path(name);
    if (!found) throw std::invalid_argument{"exec: there is no program '" + name + "' in PATH"};
    if (const int error = obstacle(*found); error != 0)
        throw std::invalid_argument{"exec: '" + name +
                                    "' can't be executed: " + std::generic_category().message(error)};
    return fs::absolute(*found);
}

}  // namespace

Program make_exec_program(const ServiceOptions& options) {
    if (options.program.empty() || options.program.front().empty())
        throw std::invalid_argument{"exec needs a program, as in: exec -- /bin/cat -u"};
    Program program{.argv = options.program};
    program.argv.front() = find_program(program.argv.front());
    return program;
}

}  // namespace bullpen
