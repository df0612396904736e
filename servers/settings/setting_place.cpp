#include "servers/settings/setting_place.hpp"

#include <vector>

#include "core/enumerate.hpp"
#include "servers/models/models.hpp"
#include "servers/settings/settings.hpp"

namespace bullpen {
namespace {

/// "fork, prefork and inetd"
std::string models_whose_master_accepts() {
    std::vector<std::string> names;
    for (const Model& model : models())
        if (model.master_accepts()) names.emplace_back(model.name);
    return enumerate(names);
}

}  // namespace

void SettingPlace::reject(const std::string& sentence) const {
    throw SettingError{(place_.empty() ? "" : std::string{place_} + ": ") + sentence};
}

void SettingPlace::require(bool fits, std::string_view key, const std::string& which,
                           const Model& model) const {
    if (!fits) reject(spelled(key) + " goes with " + which + ", not with model " + std::string{model.name});
}

void SettingPlace::require_accepting_master(std::string_view key, const Model& model) const {
    require(model.master_accepts(), key, "models " + models_whose_master_accepts() + ", whose master accepts",
            model);
}

}  // namespace bullpen
