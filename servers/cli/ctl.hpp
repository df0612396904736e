/// `bullpen ctl`: gives a running server an order and says what became of it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace bullpen {

struct CtlArguments {
    std::string command;
    bool now = false;
    std::string name = "default";
    std::string directory = "auto";
    int timeout_s = 60;
    bool json = false;  ///< Print the answer's line as it came.
};

void declare_ctl(CLI::App& program, CtlArguments& arguments, std::function<int()>& chosen);

/// Returns the answer's exit status; 1 if there is no server, or no answer in time. Throws
/// std::invalid_argument if the command doesn't exist, or the server is another user's.
int run_ctl(const CtlArguments& arguments);

/// A status for a terminal of 80 columns, from the line of the answer. Throws std::runtime_error if it isn't
/// one.
std::string describe_status(std::string_view answer);

}  // namespace bullpen
