/// Who gets in: lists of networks, early random drop, and limits for each source.
#pragma once

#include <cstddef>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/network_set.hpp"
#include "pool/early_drop.hpp"
#include "pool/peer.hpp"
#include "pool/refusal.hpp"
#include "pool/source_limits.hpp"

namespace bullpen {

/// An entry of the lists `allow` and `deny`.
struct AdmissionRule {
    Network network;
    std::string listener = {};  ///< One of PoolOptions::listen, as it is written there; empty: all.
};

/// Everything is off by default.
struct AdmissionOptions {
    std::vector<AdmissionRule> allow = {};  ///< A listener with any lets only their clients in.
    std::vector<AdmissionRule> deny = {};   ///< Wins over allow.
    SourceOptions sources = {};
    EarlyDrop early_drop = {};
};

/// Lives in the master, which asks it about each client it has accepted. Clients of a UNIX socket have no
/// address: lists and limits of sources don't concern them, early drop does.
class Admission {
public:
    /// `listeners` says of each of the pool's listeners, in their order, for which of PoolOptions::listen it
    /// was opened (a name may stand for several). Throws std::invalid_argument when a rule is for none.
    Admission(AdmissionOptions options, const std::vector<std::string>& listeners);

    /// Whether anything is set. If not, admit() lets everybody in, and who the peer is doesn't matter.
    [[nodiscard]] bool enabled() const noexcept { return enabled_; }

    /// Admits a new client of the listener of that index, or says why not. `unserved` are the pool's clients
    /// that were admitted and that no worker serves yet, without this one. Whoever was admitted must be
    /// `ended` exactly once, also if it is refused for another reason afterwards; whoever was not, never.
    std::optional<Refusal> admit(const Peer& peer, std::size_t listener, int unserved,
                                 TimePoint now) noexcept;
    void ended(const Peer& peer) noexcept { sources_.ended(peer); }

    /// For once a second: forgets sources of which nothing must be known any more.
    void sweep(TimePoint now) noexcept { sources_.sweep(now); }

private:
    struct Lists {
        NetworkSet allow;
        NetworkSet deny;
    };

    [[nodiscard]] bool denies(const Lists& lists, const Peer& peer) const noexcept;
    [[nodiscard]] int roll_percent() noexcept;

    std::vector<Lists> lists_;  ///< Of each listener.
    SourceLimits sources_;
    EarlyDrop early_drop_;
    bool enabled_;
    std::minstd_rand random_;
};

}  // namespace bullpen
