/// What a user can set, by flag or in a configuration file: one table serves both.
#pragma once

#include <chrono>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pool/pool_options.hpp"

namespace bullpen {

/// A setting is wrong. what() is one sentence: the place, what is wrong, what is allowed.
class SettingError : public std::invalid_argument {
public:
    using std::invalid_argument::invalid_argument;
};

/// One pool as the user describes it; the initialisers are the defaults.
struct PoolSettings {
    std::string service = "http";
    std::vector<std::string> listen = {"127.0.0.1:8080"};
    std::string model = "prefork";  ///< Unless the service knows only inetd's form.
    std::string root = ".";
    int file_cache = 0;
    std::vector<std::string> program = {};
    int workers = 0;  ///< 0: a pool of changing size.
    int workers_start = 4;
    int spare_min = 2;
    int spare_max = 6;
    int workers_max = 64;
    int spawn_burst_max = 32;
    int shrink_window = 10;
    int backlog = 4096;
    std::string unix_mode = "0660";
    int defer_accept = 0;
    std::string scheduling = "batch";
    int threads = 1;
    int capacity = 1000;
    int queue_ahead = 1;
    std::string accept_lock = "mutex";
    std::vector<std::string> allow = {};  ///< "CIDR", or "CIDR@ADDR" with one of `listen`.
    std::vector<std::string> deny = {};   ///< The same.
    std::vector<std::string> trusted_proxies = {};
    int source_connections = 0;
    int source_rate = 0;
    std::string source_prefix = "32:64";
    int source_ban = 0;
    int source_ban_after = 5;
    std::string startups = "0";
    std::string handoff_when = {};  ///< Empty: the service's own.
    int linger = -1;                ///< Milliseconds; -1: the service's own.
    int idle_timeout = 60;
    int header_timeout = 10;
    int body_timeout = 20;
    int body_rate = 500;
    int read_timeout = 60;
    int write_timeout = 30;
    int write_rate = 500;
    int request_timeout = 0;
    int request_grace = 5;
    int stopped_timeout = 10;
    int queue = 0;
    int queue_timeout = 1000;  ///< Milliseconds.
    int connections_max = 0;

    std::set<std::string, std::less<>> given;  ///< Keys that were set and are no defaults.
};

struct MasterSettings {
    std::string name = "default";
    std::string metrics = "127.0.0.1:9464";
    int drain_timeout = 30;
};

struct Settings {
    MasterSettings master;
    std::vector<std::pair<std::string, PoolSettings>> pools;  ///< By name.
};

/// One row of the table: a key of the configuration file; the flag is --KEY with dashes.
template <typename Owner>
struct Setting {
    using Field = std::variant<int Owner::*, std::string Owner::*, std::vector<std::string> Owner::*>;
    std::string_view key;
    Field field;
    std::string_view argument;  ///< As the help shows it.
    std::string_view help;
    int least = 0;  ///< For numbers.
    int most = 0;

    [[nodiscard]] std::string flag() const;
    [[nodiscard]] bool is_number() const noexcept { return field.index() == 0; }
    [[nodiscard]] bool is_list() const noexcept { return field.index() == 2; }
};

const std::vector<Setting<PoolSettings>>& pool_settings();
const std::vector<Setting<MasterSettings>>& master_settings();

/// Sets one field from text, as a flag gives it; `place` begins the sentence of the SettingError
/// ("--workers").
template <typename Owner>
void set_from_text(Owner& owner, const Setting<Owner>& setting, const std::vector<std::string>& values,
                   std::string_view place);

/// Checks a number against the setting's range and stores it.
template <typename Owner>
void set_number(Owner& owner, const Setting<Owner>& setting, long long value, std::string_view place);

/// Checks what only shows when all settings are together (spare_min above spare_max …) and makes a pool of
/// them. `spell` writes a key the way this user gave it ("--spare-min", "spare_min"); `place` begins the
/// sentence.
PoolOptions make_pool(const std::string& name, const PoolSettings& settings, std::string_view place,
                      std::string (*spell)(std::string_view key));

std::string spell_as_flag(std::string_view key);
std::string spell_as_key(std::string_view key);

}  // namespace bullpen
