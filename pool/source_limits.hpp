/// How much one source of clients may ask for, so that none takes everybody's share.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/clock.hpp"
#include "core/network_set.hpp"
#include "pool/peer.hpp"
#include "pool/refusal.hpp"

namespace bullpen {

/// Bits of an address that make a source.
struct SourcePrefixes {
    int v4 = 32;
    int v6 = 64;  ///< What a customer usually gets.
};

/// Of each source: all clients whose addresses begin with the same prefix. Everything is off by default.
struct SourceOptions {
    int connections_max = 0;      ///< At once; 0: any number.
    int rate_max = 0;             ///< New ones a second (as many may come in one moment); 0: any number.
    std::chrono::seconds ban{0};  ///< How long a source is kept out that didn't stop trying; 0: never.
    int ban_after = 5;            ///< With so many refusals,
    std::chrono::seconds ban_window{10};  ///< counted within so long. Tries during a ban don't prolong it.
    SourcePrefixes prefix = {};
    std::vector<Network> trusted = {};  ///< Exempt from all this: proxies, through which many clients come.
    std::size_t sources_max = 65'536;   ///< Remembered at most, some 150 bytes each.
    int forget_max = 1024;              ///< At most so many are forgotten in one sweep.
};

/// Lives in the master; no clock in it. A source is remembered while it has connections, is banned, or did
/// something that still counts against it. When sources_max are remembered (or memory is short), clients of
/// further sources are admitted and counted nowhere: limits protect the server, they must not close it. The
/// end of such a client may then be counted as that of a later one of its source.
class SourceLimits {
public:
    explicit SourceLimits(SourceOptions options);

    /// Whether any limit is set. If not, everybody is admitted and nothing is remembered.
    [[nodiscard]] bool enabled() const noexcept { return enabled_; }

    /// Admits and counts a new connection, or says why not. `now` must not go back.
    std::optional<Refusal> admit(const Peer& peer, TimePoint now) noexcept;

    /// A connection that was admitted has ended.
    void ended(const Peer& peer) noexcept;

    /// Whether admit() would say so. Counts nothing.
    [[nodiscard]] bool is_banned(const Peer& peer, TimePoint now) const noexcept;

    /// For once a second: forgets sources that nothing counts against, at most forget_max of them.
    void sweep(TimePoint now) noexcept;

    [[nodiscard]] std::size_t sources() const noexcept { return index_.size(); }

private:
    enum Shelf : std::uint8_t { active, resting, banned };  // In them: the longest there first.

    struct Source {
        IpAddress network;
        int connections = 0;
        int refusals = 0;           ///< Since window_began.
        Shelf shelf = active;       ///< banned, else active while it has connections, else resting.
        TimePoint rate_debt_end{};  ///< When its rate will have been forgiven: the bucket is full again.
        TimePoint window_began{};
        TimePoint shelved{};  ///< Since when it rests, or is banned.
    };
    using Place = std::list<Source>::iterator;

    [[nodiscard]] bool concerns(const Peer& peer) const noexcept;
    [[nodiscard]] IpAddress network_of(const Peer& peer) const noexcept;
    std::optional<Place> find_or_add(const IpAddress& network) noexcept;
    [[nodiscard]] std::optional<Refusal> limit_reached(const Source& source) const noexcept;
    void note_refusal(Source& source) noexcept;
    void put_on(Shelf shelf, Place source) noexcept;
    void put_back(Place source) noexcept;
    [[nodiscard]] bool ban_is_over(const Source& source, TimePoint now) const noexcept;
    void lift_ban(Place source) noexcept;
    bool lift_one_ban() noexcept;
    bool forget_one() noexcept;

    SourceOptions options_;
    NetworkSet trusted_;
    bool enabled_;
    std::chrono::nanoseconds rate_interval_{0};   ///< Between connections that are no debt.
    std::chrono::nanoseconds remembered_for_{0};  ///< What a resting source did counts no longer than this.
    TimePoint now_{};
    std::array<std::list<Source>, 3> shelves_;
    std::unordered_map<IpAddress, Place, IpAddressHash> index_;
};

}  // namespace bullpen
