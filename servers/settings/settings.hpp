/// What a user can set: one table for flags, configuration file, help, checks and the sample file.
#pragma once

#include <chrono>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pool/pool_options.hpp"
#include "servers/services/service.hpp"
#include "servers/settings/master_settings.hpp"
#include "servers/settings/setting.hpp"

namespace bullpen {

/// A setting is wrong. what() is one sentence: the place, what is wrong, what is allowed.
class SettingError : public std::invalid_argument {
public:
    using std::invalid_argument::invalid_argument;
};

/// One pool as the user of the program describes it; the initialisers are the defaults.
struct PoolSettings {
    std::string service = "http";
    ServiceOptions of_service = {};
    int workers = 0;  ///< 0: a pool of changing size.
    PoolOptions pool = {};
    std::set<std::string, std::less<>> given = {};  ///< Keys that were set and are no defaults.
};

struct Settings {
    MasterSettings master;
    std::vector<std::pair<std::string, PoolSettings>> pools;  ///< By name.
};

const std::vector<Setting<PoolSettings>>& pool_settings();
const std::vector<Setting<PoolSettings>>&
service_settings();  ///< Those of pool_settings() for the services of this program.

/// Stores what the user gave for one setting; `place` begins the sentence of the SettingError ("--workers").
void set_from_text(PoolSettings& settings, const Setting<PoolSettings>& setting,
                   const std::vector<std::string>& texts, std::string_view place);
void set_from_text(MasterSettings& settings, const Setting<MasterSettings>& setting,
                   const std::vector<std::string>& texts, std::string_view place);

/// What is wrong with a pool's name, which is a label in each metric: Prometheus rejects a whole scrape for
/// one that isn't UTF-8. Empty if nothing is.
std::string name_complaint(const std::string& name);

/// How a setting is called now that once was called `key`; empty if none was. Both with underscores.
std::string_view new_name_of(std::string_view key) noexcept;

}  // namespace bullpen
