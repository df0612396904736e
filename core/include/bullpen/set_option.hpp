/// Options by their names, as a configuration file and the program's flags have them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <bullpen/export.hpp>
#include <bullpen/options.hpp>

namespace bullpen {

/// Sets what the bullpen program calls `key` (workers_max, idle_timeout, listen … `bullpen serve --help` has
/// them all, with dashes) to what a text says: a list takes several texts, all else one. Times are in the
/// program's units. Not for what is of its services (service, root …). Throws std::invalid_argument: one
/// sentence that names the key, what is wrong and what is allowed. What only shows when all options are
/// together is told by serve().
BULLPEN_API void set_option(Options& options, std::string_view key, const std::vector<std::string>& texts);

}  // namespace bullpen
