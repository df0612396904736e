/// `bullpen call`: a client of the small services.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace bullpen {

struct CallArguments {
    std::string service;
    std::string address;
    std::vector<std::string> words{};     ///< What is asked: a number, or a command.
    bool no_input = false;                ///< raw, echo, priority: stdin isn't read.
    std::vector<std::string> priority{};  ///< priority: what passes by stdin.
    int retry_for_s = 0;
    int connect_timeout_s = 10;
};

void declare_call(CLI::App& program, CallArguments& arguments, std::function<int()>& chosen);

/// Returns the exit status: of remote-command the command's own, as a shell tells it (128 + N for signal N).
/// Throws std::invalid_argument for wrong usage, std::system_error or std::runtime_error for what could not
/// be done.
int run_call(const CallArguments& arguments);

}  // namespace bullpen
