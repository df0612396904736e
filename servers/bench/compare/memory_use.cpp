#include "servers/bench/compare/memory_use.hpp"

#include <filesystem>
#include <sstream>
#include <string>

#include "core/parse_number.hpp"
#include "core/read_file.hpp"

namespace bullpen {
namespace {

std::string process_path(pid_t pid, const char* file) {
    return "/proc/" + std::to_string(pid) + "/" + file;
}

}  // namespace

std::vector<pid_t> descendants_of(pid_t pid) {
    std::vector<pid_t> found;
    std::error_code ended;
    for (const auto& task : std::filesystem::directory_iterator{process_path(pid, "task"), ended}) {
        std::istringstream children{read_file(task.path() / "children", ended)};
        for (pid_t child = 0; children >> child;) {
            found.push_back(child);
            const std::vector<pid_t> below = descendants_of(child);
            found.insert(found.end(), below.begin(), below.end());
        }
    }
    return found;
}

std::int64_t pss_kb(pid_t pid) {
    std::error_code ended;
    return parse_pss_kb(read_file(process_path(pid, "smaps_rollup"), ended));
}

std::int64_t parse_pss_kb(std::string_view smaps_rollup) {
    constexpr std::string_view label = "\nPss:";
    const std::size_t line = smaps_rollup.find(label);
    if (line == std::string_view::npos) return 0;
    const std::size_t number = smaps_rollup.find_first_not_of(' ', line + label.size());
    if (number == std::string_view::npos) return 0;
    const std::size_t end = smaps_rollup.find(' ', number);
    return parse_number<std::int64_t>(smaps_rollup.substr(number, end - number)).value_or(0);
}

}  // namespace bullpen
