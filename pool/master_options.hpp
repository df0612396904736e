/// The options of a server beside those of its pools' own.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "pool/pool_options.hpp"

namespace bullpen {

struct MasterOptions {
    std::string name = "default";  ///< For the status, as is
    std::string version{};         ///< the program's version.
    std::vector<PoolOptions> pools;
    std::chrono::seconds drain_timeout{30};           ///< An orderly stop takes no longer than this.
    std::chrono::milliseconds check_timeout{10'000};  ///< For the check of a new configuration.
    /// A companion that has been stopped (SIGSTOP) for longer than this is killed and replaced. Time in which
    /// the master itself wasn't running doesn't count.
    std::chrono::milliseconds stopped_timeout{10'000};
    std::chrono::milliseconds master_timeout{10'000};   ///< See Options.
    std::chrono::milliseconds upgrade_timeout{60'000};  ///< For a new program to become ready.
    bool process_titles = true;                         ///< See Options.
};

}  // namespace bullpen
