/// `bullpen handle`: serves the one client whose connection is descriptor 0, as under inetd.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "servers/cli/setting_flags.hpp"

namespace bullpen {

struct HandleArguments {
    std::string service;
    FlagValues flags{};  ///< Of service_settings().
};

void declare_handle(CLI::App& program, HandleArguments& arguments, std::function<int()>& chosen);

/// Exit status 0 when the client is served, also if it left or fell silent; 1 if the handler threw something
/// else. Throws std::invalid_argument if descriptor 0 is no connected socket or there is no such
/// service.
int run_handle(const HandleArguments& arguments);

}  // namespace bullpen
