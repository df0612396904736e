#include "servers/services/program_path.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <system_error>

#include "core/printable.hpp"

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

std::optional<fs::path> find_in(std::string_view path, const std::string& name) {
    for (std::size_t begin = 0; begin <= path.size();) {
        const std::size_t end = std::min(path.find(':', begin), path.size());
        const fs::path folder = end > begin ? path.substr(begin, end - begin) : ".";
        if (obstacle(folder / name) == 0) return folder / name;
        begin = end + 1;
    }
    return {};
}

}  // namespace

std::string program_path(const std::string& name, std::string_view path) {
    const bool is_path = name.find('/') != std::string::npos;
    const std::optional<fs::path> found = is_path ? fs::path{name} : find_in(path, name);
    if (!found) throw std::invalid_argument{"there is no program '" + printable(name) + "' in PATH"};
    if (const int error = obstacle(*found); error != 0)
        throw std::invalid_argument{"'" + printable(name) +
                                    "' can't be executed: " + std::generic_category().message(error)};
    return fs::absolute(*found);
}

std::string_view path_variable() noexcept {
    const char* const variable = std::getenv("PATH");
    return variable != nullptr ? variable : "/usr/bin:/bin";
}

}  // namespace bullpen
