#include "core/process_title.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace bullpen {
namespace {

/// What the kernel has put on the stack, and the C library hands to constructors, so that a library user's
/// main() needn't.
struct Start {
    int argc = 0;
    char** argv = nullptr;
    char** environment = nullptr;
    std::span<char> command_line{};  ///< argv[0]…argv[argc - 1], which ps reads through /proc/PID/cmdline.
    std::span<char> all{};           ///< With the environment's strings behind it.
};
Start start;

std::span<const char> arguments;  ///< The strings of the command line, where they are now.
std::span<char> room;             ///< For titles.
bool has_moved = false;

[[gnu::constructor]] void remember_start(int argc, char** argv, char** environment) {
    if (argc < 1 || argv == nullptr || argv[0] == nullptr) return;
    char* end = argv[0];
    for (int i = 0; i < argc && argv[i] == end; ++i)
        end += std::strlen(argv[i]) + 1;
    start = {argc, argv, environment, {argv[0], end}, {}};
    for (char** variable = environment; variable != nullptr && *variable == end; ++variable)
        end += std::strlen(*variable) + 1;
    start.all = {argv[0], end};
    arguments = room = start.command_line;
}

}  // namespace

std::vector<std::string> program_arguments() {
    std::vector<std::string> all;
    for (std::size_t begin = 0; begin < arguments.size();) {
        all.emplace_back(arguments.data() + begin);
        begin += all.back().size() + 1;
    }
    return all;
}

void make_room_for_titles() {
    room = start.all;
    if (has_moved || start.all.empty()) return;
    char* const copy = new char[start.all.size()];  // As long as the process.
    std::copy(start.all.begin(), start.all.end(), copy);
    const auto move = [&](char*& string) {
        const auto at = reinterpret_cast<std::uintptr_t>(string);
        const auto begin = reinterpret_cast<std::uintptr_t>(start.all.data());
        if (at >= begin && at < begin + start.all.size()) string = copy + (at - begin);
    };
    for (int i = 0; i < start.argc; ++i)
        move(start.argv[i]);
    for (char** const list : {start.environment, environ})
        for (char** variable = list; variable != nullptr && *variable != nullptr; ++variable)
            move(*variable);
    move(program_invocation_name);
    move(program_invocation_short_name);
    arguments = {copy, start.command_line.size()};
    has_moved = true;
}

void refuse_titles() noexcept {
    room = {};
}

/// The kernel shows the command line's bytes, or, if the last of them isn't NUL, those up to the first NUL,
/// also behind the command line (proc_pid_cmdline(5)).
void set_process_title(std::string_view title) noexcept {
    if (room.empty()) return;
    std::array<char, 16> name{};
    title.copy(name.data(), name.size() - 1);
    ::prctl(PR_SET_NAME, name.data());
    std::memset(room.data(), 0, room.size());
    title.copy(room.data(), room.size() - 1);
    if (title.size() + 1 < start.command_line.size()) start.command_line.back() = '.';  // Shown to no one.
}

}  // namespace bullpen
