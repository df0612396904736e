/// Which clients get in, where the master accepts; and whose datagrams are served.
#pragma once

#include <sys/types.h>

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

/// An entry of the lists `allow_uid` and `allow_gid`.
struct LocalRule {
    id_t id = 0;  ///< Of a user or a group.
    std::string listener =
        {};  ///< A UNIX one of Options::listen, as it is written there; empty: all of them.
};

/// Off by default. Of datagrams: allow, deny, and a source's rate and ban (an address may be forged there).
struct AdmissionOptions {
    std::vector<AdmissionRule> allow = {};  ///< A listener with such rules admits only their networks.
    std::vector<AdmissionRule> deny = {};   ///< Takes precedence over allow.
    /// A UNIX listener with such rules admits only processes of these users, or in these groups (the
    /// effective ids of the process as of its connect, and its supplementary groups: unix(7), SO_PEERCRED).
    std::vector<LocalRule> allow_uid = {};
    std::vector<LocalRule> allow_gid = {};
    SourceOptions sources = {};
    EarlyDrop early_drop = {};
};

}  // namespace bullpen
