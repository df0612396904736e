/// The configuration file: TOML, the flags' names with underscores.
#pragma once

#include <string>

#include "servers/settings/settings.hpp"

namespace bullpen {

/// Reads [master] and any number of [pool.NAME]. Throws SettingError: one sentence that names the file, the
/// line and the key. Every pool must have a `listen` of its own once there are several.
Settings read_config_file(const std::string& path);

/// The same in two steps: the file's text, and what it says. The text may be that of an earlier moment.
std::string text_of_config_file(const std::string& path);
Settings read_config(const std::string& text, const std::string& path);

}  // namespace bullpen
