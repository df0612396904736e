#include "servers/settings/config_file.hpp"

#include <toml++/toml.h>

#include <system_error>

#include "core/printable.hpp"
#include "core/read_file.hpp"
#include "servers/settings/nearest.hpp"

namespace bullpen {
namespace {

std::string place_of(const std::string& path, const toml::source_region& source) {
    return path + ":" + std::to_string(source.begin.line);
}

[[noreturn]] void reject(const std::string& place, const std::string& sentence) {
    throw SettingError{printable(place + ": " + sentence)};
}

const char* kind_of(const toml::node& node) noexcept {
    switch (node.type()) {
        case toml::node_type::string: return "a string";
        case toml::node_type::integer: return "a number";
        case toml::node_type::floating_point: return "a number with a fraction";
        case toml::node_type::boolean: return "a boolean";
        case toml::node_type::array: return node.as_array()->empty() ? "an empty array" : "an array";
        case toml::node_type::table: return "a table";
        default: return "a date or time";
    }
}

[[noreturn]] void reject_kind(const std::string& place, const std::string& expected, const std::string& got) {
    reject(place, "expected " + expected + ", got " + got);
}

std::vector<std::string> strings_of(const toml::node& node, const std::string& place) {
    if (const auto* text = node.as_string()) return {text->get()};
    const auto* array = node.as_array();
    if (array == nullptr || array->empty())
        reject_kind(place, "a string or an array of strings", kind_of(node));
    std::vector<std::string> values;
    for (const toml::node& element : *array) {
        if (!element.is_string())
            reject_kind(place, "an array of strings", std::string{"one with "} + kind_of(element));
        values.push_back(element.as_string()->get());
    }
    return values;
}

template <typename Owner>
void read_key(Owner& owner, const Setting<Owner>& setting, const toml::node& node, const std::string& place) {
    if (setting.is_number()) {
        const auto* number = node.as_integer();
        if (number == nullptr)
            reject_kind(
                place,
                "a number from " + std::to_string(setting.least) + " to " + std::to_string(setting.most),
                kind_of(node));
        set_from_text(owner, setting, {std::to_string(number->get())}, place);
    } else if (setting.is_list()) {
        set_from_text(owner, setting, strings_of(node, place), place);
    } else {
        if (!node.is_string()) reject_kind(place, "a string", kind_of(node));
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

template <typename Owner>
bool has_key(const std::vector<Setting<Owner>>& known, const std::string& name) {
    return std::any_of(known.begin(), known.end(), [&](const auto& one) { return one.key == name; });
}

const toml::table& table_of(const toml::node& node, const std::string& place, const std::string& name) {
    if (!node.is_table())
        reject_kind(place, "'" + name + "' to be a table, as in [" + name + "]", kind_of(node));
    return *node.as_table();
}

}  // namespace

std::string text_of_config_file(const std::string& path) {
    std::error_code error;
    std::string text = read_file(path, error);
    if (error) reject(path, "cannot be read: " + reason_of(error));
    return text;
}

Settings read_config_file(const std::string& path) {
    return read_config(text_of_config_file(path), path);
}

Settings read_config(const std::string& text, const std::string& path) {
    toml::table document;
    try {
        document = toml::parse(text, path);
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
                if (const std::string wrong = name_complaint(pool_name); !wrong.empty())
                    reject(pool_place, "pool.NAME: " + wrong);
                read_table(pool, pool_settings(), table_of(pool_node, pool_place, "pool." + pool_name), path);
                settings.pools.emplace_back(pool_name, std::move(pool));
            }
        } else {
            if (has_key(master_settings(), name))
                reject(place, name + " stands in no table; it goes into [master]");
            if (has_key(pool_settings(), name))
                reject(place, name + " stands in no table; it goes into [pool.NAME]");
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
