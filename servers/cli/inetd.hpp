/// `bullpen inetd`: the superserver, which serves what inetd.conf says.
#pragma once

#include <functional>
#include <string>

#include "servers/cli/setting_flags.hpp"

namespace bullpen {

struct InetdArguments {
    std::string file = "/etc/inetd.conf";
    bool check = false;       ///< Say what would run, and serve nothing.
    bool listen_fds = false;  ///< See InetdTerms.
    bool home = false;        ///< See InetdTerms.
    FlagValues pool;
    FlagValues master;
};

void declare_inetd(CLI::App& program, InetdArguments& arguments, std::function<int()>& chosen);

/// Serves until SIGTERM. Throws SettingError if a line of the file is wrong, before anything is opened.
int run_inetd(const InetdArguments& arguments);

/// Prints what each line comes to, and, on stderr, what is wrong with it. Returns 0, or 2 if any is wrong.
int check_inetd(const InetdArguments& arguments);

}  // namespace bullpen
