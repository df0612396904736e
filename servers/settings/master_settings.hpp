/// What a user can set of the whole server.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/log.hpp"
#include "servers/settings/setting.hpp"

namespace bullpen {

/// The initialisers are the program's defaults.
struct MasterSettings {
    std::string name = "default";
    std::string metrics = "127.0.0.1:9464";
    std::string control = "auto";
    std::string pid_file = "off";
    std::string port_file = "off";
    LogOptions log = {};
    std::chrono::seconds drain_timeout{30};
    std::chrono::seconds master_timeout{10};
    std::chrono::seconds upgrade_timeout{60};
};

const std::vector<Setting<MasterSettings>>& master_settings();

/// The same as fields of Options, for users of the library.
MasterSettings master_settings_of(const Options& options);
void set_master_settings(Options& options, const MasterSettings& settings);

}  // namespace bullpen
