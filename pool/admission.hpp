/// Admission: which clients get in, by lists of networks, early random drop, and limits for each source.
#pragma once

#include <cstddef>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <bullpen/admission_options.hpp>
#include <bullpen/clock.hpp>
#include "pool/local_lists.hpp"
#include "pool/network_lists.hpp"
#include "pool/peer.hpp"
#include "pool/refusal.hpp"
#include "pool/source_limits.hpp"

namespace bullpen {

/// Lives in the master, which asks it about each client that it has accepted. Clients of a UNIX socket have
/// no address: early drop and the lists of users and groups apply to them, not those of networks and the
/// limits of sources.
class Admission {
public:
    /// `listeners` has, for each of the pool's listeners in their order, the text in Options::listen from
    /// which it was opened (one text may open several). Throws std::invalid_argument if a rule names a
    /// listener that isn't among them.
    [[gnu::cold]] Admission(AdmissionOptions options, const std::vector<std::string>& listeners);

    /// Whether any option is set. If not, admit() admits every client and doesn't look at the peer.
    [[nodiscard]] bool enabled() const noexcept { return enabled_; }

    /// Admits a new client (its socket, borrowed) of the listener of that index, or returns why not.
    /// `unserved` is the number of the pool's admitted clients that no worker has begun with, without this
    /// one. For a client that was admitted, ended() must be called exactly once, even if it is refused later
    /// for another reason; for a client that wasn't, never.
    std::optional<Refusal> admit(int socket, const Peer& peer, std::size_t listener, int unserved,
                                 TimePoint now) noexcept;
    void ended(const Peer& peer) noexcept { sources_.ended(peer); }

    /// See SourceLimits.
    void recount(const Peer& peer) noexcept { sources_.recount(peer); }
    std::size_t leave(std::span<SourceLimits::Record> records) const noexcept {
        return sources_.leave(records);
    }
    void take_over(std::span<const SourceLimits::Record> records) noexcept { sources_.take_over(records); }

    /// To be called once a second: forgets sources that no longer need to be remembered.
    void sweep(TimePoint now) noexcept { sources_.sweep(now); }

private:
    struct Lists {
        NetworkLists networks;
        LocalLists local;
    };

    [[nodiscard]] bool denies(const Lists& lists, int socket, const Peer& peer) const noexcept;
    [[nodiscard]] int roll_percent() noexcept;

    std::vector<Lists> lists_;  ///< By the listener's index.
    SourceLimits sources_;
    EarlyDrop early_drop_;
    bool enabled_;
    std::minstd_rand random_;
};

}  // namespace bullpen
