/// The flags that a table of settings has.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "servers/settings/settings.hpp"

namespace bullpen {

/// By key; an empty list is a flag that was not given.
using FlagValues = std::map<std::string, std::vector<std::string>>;

/// Declares a flag for every setting; what is given is collected in `values`.
template <typename Owner>
void declare_flags(CLI::App& command, const std::vector<Setting<Owner>>& table, FlagValues& values);

/// Stores what was given. Throws SettingError.
template <typename Owner>
void apply_flags(Owner& owner, const std::vector<Setting<Owner>>& table, const FlagValues& values);

}  // namespace bullpen
