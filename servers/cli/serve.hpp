/// `bullpen serve` and `bullpen check-config`.
#pragma once

#include <string>

#include "servers/cli/setting_flags.hpp"
#include "servers/settings/settings.hpp"

namespace bullpen {

struct ServeArguments {
    std::string service;  ///< The positional argument, or empty.
    FlagValues pool;
    FlagValues master;
    std::string config;     ///< --config FILE, or empty.
    std::string pool_name;  ///< --pool POOL, or empty.
};

/// Joins the file's text (empty without --config) and the flags, which override it. Throws SettingError.
Settings settings_from(const ServeArguments& arguments, const std::string& text);

/// Serves until told to stop; the exit status. Throws what RunningServer's constructor does.
int run_serve(const ServeArguments& arguments);

/// Checks a file without binding or forking anything, and prints its pools.
int run_check_config(const std::string& file);

/// Prints a file with every key and its default.
int run_print_sample();

}  // namespace bullpen
