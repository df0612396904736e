/// Of a pool's settings, those that say how long things may take and what happens when there are too many.
#pragma once

#include <string>
#include <string_view>

#include "pool/pool_options.hpp"
#include "servers/settings/settings.hpp"

namespace bullpen {

/// Call it once the pool has its model and its form, whose defaults it overrides. Throws SettingError, for
/// `place` and `spell` see make_pool().
void set_limits(PoolOptions& pool, const PoolSettings& settings, std::string_view place,
                std::string (*spell)(std::string_view key));

}  // namespace bullpen
