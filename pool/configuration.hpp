/// A configuration: what a reload changes in a running server, and where it is read from.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "pool/pool_options.hpp"

namespace bullpen {

struct Configuration {
    std::vector<PoolOptions> pools;
    LogLevel log_level = LogLevel::info;
    std::chrono::seconds drain_timeout{30};
    std::chrono::milliseconds master_timeout{10'000};
    std::chrono::milliseconds upgrade_timeout{60'000};
};

/// Both functions throw what is wrong as one sentence: std::invalid_argument for a configuration that is
/// wrong, another std::exception for what could not be done.
struct ConfigurationSource {
    /// Returns the text of the configuration. It may wait for as long as it likes: a child of the master
    /// calls it, and is killed if it takes too long.
    std::function<std::string()> read;
    /// Makes a configuration of a text. Called by that child first, and by the keeper if that went well.
    std::function<Configuration(const std::string& text)> make;

    explicit operator bool() const noexcept { return make != nullptr; }
};

}  // namespace bullpen
