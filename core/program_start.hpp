/// How this program was started: for starting it, or what has taken its place, once more.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace bullpen {

struct ProgramStart {
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::string directory;  ///< The working directory.
    mode_t umask = 0;

    /// Of this process. Not for one with a second thread, because umask(2) can only be asked by setting it.
    static ProgramStart of_this_process();

    /// Becomes the program, found as a shell finds it, with one variable more in its environment. Descriptors
    /// that aren't CLOEXEC stay open. Returns only if it can't, with errno. For a child that was just forked.
    void become(const std::string& variable) const;
};

}  // namespace bullpen
