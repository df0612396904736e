/// The configuration file: TOML, the flags' names with underscores.
#pragma once

#include <string>

#include "servers/settings/settings.hpp"

namespace bullpen {

/// Reads [master] and any number of [pool.NAME]. Throws SettingError: one sentence that names the file, the
/// line and the key. Every pool must have a `listen` of its own once there are several.
Settings read_config_file(const std::string& path);

}  // namespace bullpen
