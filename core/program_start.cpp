#include "core/program_start.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>

#include "core/process_title.hpp"

namespace bullpen {
namespace {

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (std::string& text : texts)
        pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

}  // namespace

ProgramStart ProgramStart::of_this_process() {
    ProgramStart start{.arguments = program_arguments(), .environment = {}, .directory = {}};
    for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable)
        start.environment.emplace_back(*variable);
    std::array<char, PATH_MAX> directory{};
    if (::getcwd(directory.data(), directory.size()) != nullptr) start.directory = directory.data();
    start.umask = ::umask(0);
    ::umask(start.umask);
    return start;
}

void ProgramStart::become(const std::string& variable) const {
    if (arguments.empty()) {
        errno = ENOENT;
        return;
    }
    if (!directory.empty() && ::chdir(directory.c_str()) != 0) return;
    ::umask(umask);
    std::vector<std::string> words = arguments;
    std::vector<std::string> variables = environment;
    variables.push_back(variable);
    // execvpe(3) would have a shell read a file that is no program.
    if (words.front().find('/') != std::string::npos)
        ::execve(words.front().c_str(), pointers_to(words).data(), pointers_to(variables).data());
    else
        ::execvpe(words.front().c_str(), pointers_to(words).data(), pointers_to(variables).data());
}

}  // namespace bullpen
