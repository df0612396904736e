/// A slot's account: the connections that it was given and that are not settled.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "pool/place.hpp"

namespace bullpen {

/// Private to the master, which trusts it more than the scoreboard. A slot is free if outstanding() == 0. A
/// connection comes in by give() and leaves by exactly one of take_back(), withdraw(), decline(), park(),
/// end() and lose(). The account outlives the workers that occupy the slot.
class SlotAccount {
public:
    /// To be called before the first give(): at most `depth` connections are outstanding at a time, so that
    /// give() allocates nothing.
    void reserve(std::size_t depth) { given_.reserve(depth); }

    /// What is counted over the slot's life.
    struct Counts {
        std::uint64_t finished = 0;
        std::uint64_t returned = 0;
        std::uint64_t lost = 0;
        std::uint64_t handoffs = 0;
        std::uint64_t declined = 0;
        std::uint64_t declinable = 0;
        std::uint64_t withdrawn = 0;
    };
    /// An outstanding connection.
    struct Given {
        Place client;
        std::uint64_t handoff;
    };

    /// For a master whose predecessor has died: takes over what was counted, and what is outstanding, in the
    /// order given.
    void adopt(const Counts& counts, std::span<const Given> given) {
        finished_ = counts.finished;
        returned_ = counts.returned;
        lost_ = counts.lost;
        last_handoff_ = counts.handoffs;
        declined_ = counts.declined;
        declinable_ = counts.declinable;
        withdrawn_ = counts.withdrawn;
        given_.assign(given.begin(), given.end());
    }

    /// The number of the next handoff.
    [[nodiscard]] std::uint64_t next_handoff() const noexcept { return last_handoff_ + 1; }

    /// Returns the handoff's number, which is unique in the slot.
    std::uint64_t give(Place client) noexcept {
        given_.push_back({client, ++last_handoff_});
        return last_handoff_;
    }

    // The ways out. Each returns nothing if no connection of that handoff is outstanding.

    /// The connection is the master's again: it was taken out of the channel, or its worker has died.
    std::optional<Place> take_back(std::uint64_t handoff) noexcept { return remove(handoff); }

    /// The master has withdrawn it: the worker had only queued it, and will decline it.
    std::optional<Place> withdraw(std::uint64_t handoff) noexcept {
        const std::optional<Place> client = remove(handoff);
        if (client) ++declinable_;
        return client;
    }

    /// The worker declines it. If the master hasn't got it back yet, it has now.
    std::optional<Place> decline(std::uint64_t handoff) noexcept {
        const std::optional<Place> client = remove(handoff, &declined_);
        if (client) return client;
        ++declined_;
        --declinable_;
        return {};
    }

    /// The worker has parked it.
    std::optional<Place> park(std::uint64_t handoff) noexcept { return remove(handoff, &returned_); }

    /// The worker has ended it.
    std::optional<Place> end(std::uint64_t handoff) noexcept { return remove(handoff, &finished_); }

    /// It has ended with its worker.
    std::optional<Place> lose(std::uint64_t handoff) noexcept { return remove(handoff, &lost_); }

    [[nodiscard]] std::uint64_t outstanding() const noexcept { return given_.size(); }

    /// The connection of that handoff, or nothing if none of it is outstanding.
    [[nodiscard]] std::optional<Place> find(std::uint64_t handoff) const noexcept {
        const auto found = std::find_if(given_.begin(), given_.end(),
                                        [handoff](const Given& given) { return given.handoff == handoff; });
        if (found == given_.end()) return {};
        return found->client;
    }

    /// To be called before withdraw(). Returns the handoff's number up to which all are withdrawn.
    std::uint64_t begin_withdrawal() noexcept { return withdrawn_ = last_handoff_; }

    /// To be called when the worker is dead, and declines nothing any more.
    void forget_withdrawn() noexcept { declinable_ = 0; }

    /// Whether the worker may decline that handoff.
    [[nodiscard]] bool may_decline(std::uint64_t handoff) const noexcept {
        return handoff <= withdrawn_ && (declinable_ > 0 || find(handoff));
    }

    /// How many completions the worker may have published that the master hasn't accepted.
    [[nodiscard]] std::uint64_t completions_due() const noexcept { return given_.size() + declinable_; }

    /// The outstanding connections, in the order given. Any call that is not const invalidates it.
    [[nodiscard]] std::span<const Given> given() const noexcept { return given_; }

    /// The outstanding connection that was given first.
    [[nodiscard]] std::optional<Place> oldest() const noexcept {
        if (given_.empty()) return {};
        return given_.front().client;
    }

    // Of the withdrawals.
    [[nodiscard]] std::uint64_t declined() const noexcept { return declined_; }
    [[nodiscard]] std::uint64_t declinable() const noexcept { return declinable_; }
    [[nodiscard]] std::uint64_t withdrawn() const noexcept { return withdrawn_; }

    // Counted over the slot's life.
    [[nodiscard]] std::uint64_t finished() const noexcept { return finished_; }
    [[nodiscard]] std::uint64_t returned() const noexcept { return returned_; }
    [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }
    [[nodiscard]] std::uint64_t handoffs() const noexcept { return last_handoff_; }
    [[nodiscard]] std::uint64_t completions() const noexcept { return finished_ + returned_ + declined_; }
    [[nodiscard]] std::uint64_t handed() const noexcept {  ///< Given and not taken back.
        return finished_ + returned_ + lost_ + given_.size();
    }

private:
    std::optional<Place> remove(std::uint64_t handoff, std::uint64_t* counter = nullptr) noexcept {
        const auto found = std::find_if(given_.begin(), given_.end(),
                                        [handoff](const Given& given) { return given.handoff == handoff; });
        if (found == given_.end()) return {};
        const Place client = found->client;
        given_.erase(found);
        if (counter != nullptr) ++*counter;
        return client;
    }

    std::vector<Given> given_;  ///< At most the slot's depth.
    std::uint64_t finished_ = 0;
    std::uint64_t returned_ = 0;
    std::uint64_t lost_ = 0;
    std::uint64_t declined_ = 0;
    std::uint64_t declinable_ = 0;    ///< Withdrawn, and not declined yet.
    std::uint64_t withdrawn_ = 0;     ///< The handoffs up to this number were withdrawn if only queued.
    std::uint64_t last_handoff_ = 0;  ///< The number of the last handoff.
};

}  // namespace bullpen
