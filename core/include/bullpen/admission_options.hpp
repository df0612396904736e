/// Which clients get in, where the master accepts.
#pragma once

#include <string>
#include <vector>

#include <bullpen/early_drop.hpp>
#include <bullpen/network.hpp>
#include <bullpen/source_options.hpp>

namespace bullpen {

/// An entry of the lists `allow` and `deny`.
struct AdmissionRule {
    Network network;
    std::string listener = {};  ///< One of Options::listen, as it is written there; empty: all.
};

/// Everything is off by default.
struct AdmissionOptions {
    std::vector<AdmissionRule> allow = {};  ///< A listener with such rules admits only their networks.
    std::vector<AdmissionRule> deny = {};   ///< Takes precedence over allow.
    SourceOptions sources = {};
    EarlyDrop early_drop = {};
};

}  // namespace bullpen
