#include "servers/settings/config_file.hpp"

#include <toml++/toml.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "servers/settings/nearest.hpp"

namespace bullpen {
namespace {

std::string place_of(const std::string& path, const toml::source_region& source) {
    return path + ":" + std::to_string(source.begin.line);
}

[[noreturn]] void reject(const std::string& place, const std::string& sentence) {
    throw SettingError{place + ": " + sentence};
}

std::vector<std::string> strings_of(const toml::node& node, const std::string& place) {
    if (const auto* text = node.as_string()) return {text->get()};
    const auto* array = node.as_array();
    if (array == nullptr || array->empty()) reject(place, "expected a string or an array of strings");
    std::vector<std::string> values;
    for (const toml::node& element : *array) {
        if (!element.is_string()) reject(place, "expected an array of strings");
        values.push_back(element.as_string()->get());
    }
    return values;
}

template <typename Owner>
void read_key(Owner& owner, const Setting<Owner>& setting, const toml::node& node, const std::string& place) {
    if (setting.is_number()) {
        const auto* number = node.as_integer();
        if (number == nullptr)
            reject(place, "expected a number from " + std::to_string(setting.least) + " to " +
                              std::to_string(setting.most));
        set_from_text(owner, setting, {std::to_string(number->get())}, place);
    } else if (setting.is_list()) {
        set_from_text(owner, setting, strings_of(node, place), place);
    } else {
        if (!node.is_string()) reject(place, "expected a string");
        set_from_text(owner, setting, {node.as_string()->get()}, place);
    }
}

template <typename Owner>
void read_table(Owner& owner, const std::vector<Setting<Owner>>& known, const toml::table& table,
                const std::string& path) {
    for (const auto& [key, node] : table) {
        const std::string name{key.str()};
        const std::string place = place_of(path, node.source());
        const auto found =
            std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.key == name; });
        if (const std::string_view now = new_name_of(name); !now.empty())
            reject(place, name + " is called " + std::string{now} + " now");
        if (found == known.end()) {
            std::vector<std::string_view> names;
            for (const auto& one : known)
                names.push_back(one.key);
            reject(place, no_such("key", name, names));
        }
        read_key(owner, *found, node, place + ": " + name);
    }
}

const toml::table& table_of(const toml::node& node, const std::string& place, const std::string& name) {
    if (!node.is_table()) reject(place, "'" + name + "' must be a table, as in [" + name + "]");
    return *node.as_table();
}

std::string contents_of(const std::string& path) {
    std::ifstream file{path};
    std::ostringstream text;
    text << file.rdbuf();
    if (!file) reject(path, std::string{"cannot be read: "} + std::strerror(errno));
    return text.str();
}

}  // namespace

Settings read_config_file(const std::string& path) {
    toml::table document;
    try {
        document = toml::parse(contents_of(path), path);
    } catch (const toml::parse_error& error) {
        reject(place_of(path, error.source()), std::string{error.description()});
    }

    Settings settings;
    for (const auto& [key, node] : document) {
        const std::string name{key.str()};
        const std::string place = place_of(path, node.source());
        if (name == "master") {
            read_table(settings.master, master_settings(), table_of(node, place, name), path);
        } else if (name == "pool") {
            for (const auto& [pool_key, pool_node] : table_of(node, place, "pool.NAME")) {
                const std::string pool_name{pool_key.str()};
                PoolSettings pool;
                const std::string pool_place = place_of(path, pool_node.source());
                read_table(pool, pool_settings(), table_of(pool_node, pool_place, "pool." + pool_name), path);
                settings.pools.emplace_back(pool_name, std::move(pool));
            }
        } else {
            reject(place, no_such("table", name, {"master", "pool.NAME"}));
        }
    }
    if (settings.pools.empty()) reject(path, "there is no pool in it; expected at least one [pool.NAME]");
    for (const auto& [name, pool] : settings.pools)
        if (settings.pools.size() > 1 && !pool.given.contains("listen"))
            reject(path, "[pool." + name + "] has no listen; of several pools each needs its own");
    return settings;
}

}  // namespace bullpen
