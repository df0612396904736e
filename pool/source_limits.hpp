/// Source limits: how much one source of clients may ask for, so that others get their share.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include <bullpen/clock.hpp>
#include <bullpen/source_options.hpp>
#include "core/ip_address_hash.hpp"
#include "core/network_set.hpp"
#include "pool/peer.hpp"
#include "pool/refusal.hpp"

namespace bullpen {

/// Lives in the master and reads no clock. A source is remembered while it has connections, is banned, or has
/// refusals or a rate that still count. When sources_max are remembered (or memory is short), clients of
/// further sources are admitted and not counted: limits protect the server and must not close it. The end of
/// such a client may then be counted as that of a later client of the same source.
class SourceLimits {
public:
    explicit SourceLimits(SourceOptions options);

    /// Whether any limit is set. If not, every client is admitted and no source is remembered.
    [[nodiscard]] bool enabled() const noexcept { return enabled_; }

    /// Admits and counts a new connection, or returns why not. `now` must not decrease.
    std::optional<Refusal> admit(const Peer& peer, TimePoint now) noexcept;

    /// For a master that goes on for another one: counts a connection that was admitted before.
    void recount(const Peer& peer) noexcept;

    /// What is remembered of a source besides its connections. Plain data.
    struct Record {
        IpAddress network;
        int refusals = 0;
        bool is_banned = false;
        TimePoint rate_debt_end{};
        TimePoint window_began{};
        TimePoint shelved{};
    };
    /// Notes as many sources as there is room for, those that are banned first, and returns their number.
    std::size_t leave(std::span<Record> records) const noexcept;
    /// Goes on from there. Of a master that has died there are no records: bans and rates begin anew.
    void take_over(std::span<const Record> records) noexcept;

    /// A connection that was admitted has ended.
    void ended(const Peer& peer) noexcept;

    /// Whether admit() would return Refusal::banned. Counts nothing.
    [[nodiscard]] bool is_banned(const Peer& peer, TimePoint now) const noexcept;

    /// To be called once a second: forgets at most forget_max sources that need not be remembered any more.
    void sweep(TimePoint now) noexcept;

    [[nodiscard]] std::size_t sources() const noexcept { return index_.size(); }

private:
    enum Shelf : std::uint8_t { active, resting, banned };  // Each in the order of arrival.

    struct Source {
        IpAddress network;
        int connections = 0;
        int refusals = 0;           ///< Refusals since window_began.
        Shelf shelf = active;       ///< banned, else active while it has connections, else resting.
        TimePoint rate_debt_end{};  ///< When its token bucket will be full again.
        TimePoint window_began{};
        TimePoint shelved{};  ///< When it began to rest, or was banned.
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
    std::chrono::nanoseconds rate_interval_{0};   ///< 1 s / rate_max: the time that earns one connection.
    std::chrono::nanoseconds remembered_for_{0};  ///< For a resting source; then it may be forgotten.
    TimePoint now_{};
    std::array<std::list<Source>, 3> shelves_;
    std::unordered_map<IpAddress, Place, IpAddressHash> index_;
};

}  // namespace bullpen
