#include <bullpen/set_option.hpp>

#include <algorithm>
#include <functional>
#include <variant>

#include "servers/settings/nearest.hpp"
#include "servers/settings/settings.hpp"

namespace bullpen {
namespace {

/// Whether it is a member of Options, or sets some; the others are the services'.
bool is_option(const Setting<PoolSettings>& setting) {
    PoolSettings settings;
    const auto* begin = reinterpret_cast<const char*>(static_cast<const Options*>(&settings.pool));
    const auto* end = begin + sizeof(Options);
    const auto* field = std::visit(
        [&](auto member) { return reinterpret_cast<const char*>(&member(settings)); }, setting.field);
    return setting.key == "workers" || (!std::less<>{}(field, begin) && std::less<>{}(field, end));
}

void set(Options& options, const Setting<PoolSettings>& setting, const std::vector<std::string>& texts) {
    PoolSettings settings;
    static_cast<Options&>(settings.pool) = options;
    set_from_text(settings, setting, texts, setting.key);
    options = settings.pool;
    if (setting.key == "workers")
        options.limits = {.policy = SizingPolicy::fixed,
                          .workers_start = settings.workers,
                          .workers_max = settings.workers};
}

void set(Options& options, const Setting<MasterSettings>& setting, const std::vector<std::string>& texts) {
    MasterSettings settings = master_settings_of(options);
    set_from_text(settings, setting, texts, setting.key);
    set_master_settings(options, settings);
}

template <typename Owner>
const Setting<Owner>* find(const std::vector<Setting<Owner>>& all, std::string_view key) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.key == key; });
    return found == all.end() ? nullptr : &*found;
}

}  // namespace

void set_option(Options& options, std::string_view key, const std::vector<std::string>& texts) {
    const Setting<PoolSettings>* const of_pool = find(pool_settings(), key);
    const Setting<MasterSettings>* const of_master = find(master_settings(), key);
    if (texts.empty()) throw SettingError{std::string{key} + ": expected a value, got none"};
    if (of_pool != nullptr && is_option(*of_pool)) return set(options, *of_pool, texts);
    if (of_master != nullptr) return set(options, *of_master, texts);
    if (const std::string_view now = new_name_of(key); !now.empty())
        throw SettingError{std::string{key} + " is called " + std::string{now} + " now"};
    if (of_pool != nullptr)
        throw SettingError{std::string{key} + " is of the program's services, and no option"};
    std::vector<std::string_view> known;
    for (const Setting<PoolSettings>& setting : pool_settings())
        if (is_option(setting)) known.push_back(setting.key);
    for (const Setting<MasterSettings>& setting : master_settings())
        known.push_back(setting.key);
    throw SettingError{no_such("option", key, known)};
}

}  // namespace bullpen
