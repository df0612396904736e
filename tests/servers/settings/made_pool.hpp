/// Pools made from settings, for tests of those.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "servers/settings/make_pool.hpp"
#include "tests/complaint.hpp"

namespace bullpen {

/// Settings: a key and its values each.
using Entries = std::vector<std::pair<std::string, std::vector<std::string>>>;

inline PoolOptions made_pool(const Entries& entries, PoolSettings settings = {}) {
    for (const auto& [key, values] : entries)
        for (const auto& setting : pool_settings())
            if (setting.key == key) set_from_text(settings, setting, values, setting.flag());
    return make_pool("web", settings, "", spell_as_flag);
}

/// The sentence with which they are rejected; empty if they are not.
inline std::string complaint(const Entries& entries, const PoolSettings& settings = {}) {
    return complaint_of([&] { made_pool(entries, settings); });
}

/// Defaults but for the model.
inline PoolSettings under(const std::string& model) {
    PoolSettings settings;
    settings.pool.model = model;
    settings.given.emplace("model");
    return settings;
}

}  // namespace bullpen
