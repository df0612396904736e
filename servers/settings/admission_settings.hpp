/// Of a pool's settings, those that say which clients it admits.
#pragma once

#include <string>
#include <string_view>

#include "pool/admission.hpp"
#include "pool/model.hpp"
#include "servers/settings/settings.hpp"

namespace bullpen {

/// Throws SettingError, for `place` and `spell` see make_pool(). Everything stays off unless it is set, and
/// nothing may be set where the model's master doesn't accept.
AdmissionOptions make_admission(const PoolSettings& settings, const Model& model, std::string_view place,
                                std::string (*spell)(std::string_view key));

}  // namespace bullpen
