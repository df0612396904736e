/// Makes a pool of what its user has set, in the one place where everything is checked.
#pragma once

#include <string>
#include <string_view>

#include "pool/pool_options.hpp"
#include "servers/settings/settings.hpp"

namespace bullpen {

/// The options of the pool that the program, a configuration file and a comparison run: service, model and
/// limits put together and checked. `spell` writes a key the way this user gave it ("--spare-min",
/// "spare_min"); `place` begins the sentence of the SettingError.
PoolOptions make_pool(const std::string& name, const PoolSettings& settings, std::string_view place,
                      std::string (*spell)(std::string_view key));

/// Every range, what goes with which model, and what only shows when all settings are together (spare_min
/// above spare_max …). make_pool() calls it, and serve() for a user of the library. Throws SettingError.
void check(const PoolOptions& pool, std::string_view place, std::string (*spell)(std::string_view key));

/// The options of a pool of a user of the library, without its handler, which is of that form. Its workers
/// are replaced by each reload, because handlers can't be compared.
PoolOptions make_pool(const Options& options, Form form, std::string_view place = {});

}  // namespace bullpen
