#include "pool/source_limits.hpp"

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

namespace bullpen {
namespace {

constexpr std::chrono::nanoseconds second = std::chrono::seconds{1};

}  // namespace

SourceLimits::SourceLimits(SourceOptions options)
    : options_{std::move(options)},
      trusted_{options_.trusted},
      enabled_{options_.connections_max > 0 || options_.rate_max > 0} {
    if (options_.rate_max > 0) {
        rate_interval_ = second / options_.rate_max;
        remembered_for_ = second;
    }
    if (options_.ban.count() > 0)
        remembered_for_ = std::max<std::chrono::nanoseconds>(remembered_for_, options_.ban_window);
    if (enabled_) index_.reserve(options_.sources_max);  // So that it needn't grow under load.
}

std::optional<Refusal> SourceLimits::admit(const Peer& peer, TimePoint now) noexcept {
    if (!concerns(peer)) return {};
    now_ = now;
    const std::optional<Place> found = find_or_add(network_of(peer));
    if (!found) return {};
    Source& source = **found;
    if (source.shelf == banned) {
        if (!ban_is_over(source, now)) return Refusal::banned;
        lift_ban(*found);
    }
    const std::optional<Refusal> refusal = limit_reached(source);
    if (refusal) {
        note_refusal(source);
    } else {
        ++source.connections;
        source.rate_debt_end = std::max(source.rate_debt_end, now) + rate_interval_;
    }
    const bool ban = refusal && options_.ban.count() > 0 && source.refusals >= options_.ban_after;
    ban ? put_on(banned, *found) : put_back(*found);
    return refusal;
}

void SourceLimits::recount(const Peer& peer) noexcept {
    if (!concerns(peer)) return;
    if (const std::optional<Place> found = find_or_add(network_of(peer))) ++(*found)->connections;
}

std::size_t SourceLimits::leave(std::span<Record> records) const noexcept {
    std::size_t count = 0;
    for (const Shelf shelf : {banned, active, resting})
        for (const Source& source : shelves_[shelf]) {
            if (count == records.size()) return count;
            records[count++] = {.network = source.network,
                                .refusals = source.refusals,
                                .is_banned = shelf == banned,
                                .rate_debt_end = source.rate_debt_end,
                                .window_began = source.window_began,
                                .shelved = source.shelved};
        }
    return count;
}

void SourceLimits::take_over(std::span<const Record> records) noexcept {
    if (!enabled_) return;
    for (const Record& record : records) {
        const std::optional<Place> found = find_or_add(record.network);
        if (!found) continue;
        Source& source = **found;
        source.refusals = record.refusals;
        source.rate_debt_end = record.rate_debt_end;
        source.window_began = record.window_began;
        record.is_banned ? put_on(banned, *found) : put_back(*found);
        source.shelved = record.shelved;
    }
}

void SourceLimits::ended(const Peer& peer) noexcept {
    if (!concerns(peer)) return;
    const auto found = index_.find(network_of(peer));
    if (found == index_.end() || found->second->connections == 0) return;
    --found->second->connections;
    if (found->second->shelf != banned) put_back(found->second);
}

bool SourceLimits::is_banned(const Peer& peer, TimePoint now) const noexcept {
    if (!concerns(peer)) return false;
    const auto found = index_.find(network_of(peer));
    return found != index_.end() && found->second->shelf == banned && !ban_is_over(*found->second, now);
}

void SourceLimits::sweep(TimePoint now) noexcept {
    now_ = now;
    for (int left = options_.forget_max; left > 0; --left) {
        const bool lifted = lift_one_ban();
        const bool forgotten = forget_one();
        if (!lifted && !forgotten) return;
    }
}

bool SourceLimits::concerns(const Peer& peer) const noexcept {
    return enabled_ && peer.has_address && !trusted_.contains(peer.address);
}

IpAddress SourceLimits::network_of(const Peer& peer) const noexcept {
    return peer.address.truncated(peer.address.is_v4() ? options_.prefix.v4 : options_.prefix.v6);
}

/// Returns nothing if the source isn't known and there is no room for it.
std::optional<SourceLimits::Place> SourceLimits::find_or_add(const IpAddress& network) noexcept {
    const auto known = index_.find(network);
    if (known != index_.end()) return known->second;
    if (index_.size() >= options_.sources_max) {
        lift_one_ban();
        if (!forget_one()) return {};
    }
    std::list<Source>& shelf = shelves_[active];
    try {
        shelf.push_back({.network = network});
        index_.emplace(network, std::prev(shelf.end()));
        return std::prev(shelf.end());
    } catch (const std::bad_alloc&) {
        if (!shelf.empty() && shelf.back().network == network) shelf.pop_back();
        return {};
    }
}

/// The rate is a token bucket of rate_max tokens (one second's worth), kept as the time when it will be full.
std::optional<Refusal> SourceLimits::limit_reached(const Source& source) const noexcept {
    if (options_.connections_max > 0 && source.connections >= options_.connections_max)
        return Refusal::source;
    if (options_.rate_max > 0 && source.rate_debt_end - now_ > rate_interval_ * (options_.rate_max - 1))
        return Refusal::rate;
    return {};
}

void SourceLimits::note_refusal(Source& source) noexcept {
    if (source.refusals == 0 || now_ - source.window_began >= options_.ban_window) {
        source.window_began = now_;
        source.refusals = 0;
    }
    ++source.refusals;
}

/// Puts the source last on the shelf.
void SourceLimits::put_on(Shelf shelf, Place source) noexcept {
    shelves_[shelf].splice(shelves_[shelf].end(), shelves_[source->shelf], source);
    source->shelf = shelf;
    source->shelved = now_;
}

void SourceLimits::put_back(Place source) noexcept {
    put_on(source->connections > 0 ? active : resting, source);
}

void SourceLimits::lift_ban(Place source) noexcept {
    source->refusals = 0;
    put_back(source);
}

bool SourceLimits::ban_is_over(const Source& source, TimePoint now) const noexcept {
    return now - source.shelved >= options_.ban;
}

/// Lifts the oldest ban if it is over; returns whether it did.
bool SourceLimits::lift_one_ban() noexcept {
    const std::list<Source>& shelf = shelves_[banned];
    if (shelf.empty() || !ban_is_over(shelf.front(), now_)) return false;
    lift_ban(shelves_[banned].begin());
    return true;
}

/// Forgets the source that has rested longest if it need not be remembered any more; returns whether it did.
bool SourceLimits::forget_one() noexcept {
    std::list<Source>& shelf = shelves_[resting];
    if (shelf.empty() || now_ - shelf.front().shelved < remembered_for_) return false;
    index_.erase(shelf.front().network);
    shelf.pop_front();
    return true;
}

}  // namespace bullpen
