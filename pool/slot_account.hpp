/// A slot's account: the connections that it was given and that are not settled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "pool/place.hpp"

namespace bullpen {

/// Private to the master, which trusts it more than the scoreboard. A slot is free if outstanding() == 0. A
/// connection comes in by give() and leaves by exactly one of take_back, give_back, finish_to, lose and
/// lose_rest. The account outlives the workers that occupy the slot.
class SlotAccount {
public:
    /// To be called before the first give(): at most `depth` connections are outstanding at a time, so that
    /// give() allocates nothing.
    void reserve(std::size_t depth) { given_.reserve(depth); }

    /// Returns the handoff's number, which is unique in the slot for the next 2^32 of them.
    std::uint32_t give(Place client) noexcept {
        given_.push_back({client, ++last_handoff_});
        return last_handoff_;
    }

    /// The master has received the connection from the channel itself. Returns nothing if no connection of
    /// that handoff is outstanding.
    std::optional<Place> take_back(std::uint32_t handoff) noexcept { return remove(handoff); }

    /// The worker has given the connection back to be parked. Returns nothing as take_back() does.
    std::optional<Place> give_back(std::uint32_t handoff) noexcept {
        const std::optional<Place> client = remove(handoff);
        if (client) ++returned_;
        return client;
    }

    /// By its row, `total` connections have ended in the slot over its life: calls ended(place) for each one
    /// that is new, in the order given. Returns false, and changes nothing, if that is more than it was
    /// given.
    template <class Ended>
    [[nodiscard]] bool finish_to(std::uint64_t total, Ended ended) {
        const std::uint64_t count = total - finished_;
        if (count > given_.size()) return false;
        finished_ = total;
        end_first(static_cast<std::size_t>(count), ended);
        return true;
    }

    /// The worker is dead: calls ended(place) for each outstanding connection and returns their number.
    template <class Ended>
    std::uint64_t lose_rest(Ended ended) {
        const std::size_t count = given_.size();
        lost_ += count;
        end_first(count, ended);
        return count;
    }

    /// The connection was received without its descriptor. Returns nothing as take_back() does.
    std::optional<Place> lose(std::uint32_t handoff) noexcept {
        const std::optional<Place> client = remove(handoff);
        if (client) ++lost_;
        return client;
    }

    [[nodiscard]] std::uint64_t outstanding() const noexcept { return given_.size(); }

    /// The connection of that handoff, or nothing if none of it is outstanding.
    [[nodiscard]] std::optional<Place> find(std::uint32_t handoff) const noexcept {
        for (const Given& given : given_)
            if (given.handoff == handoff) return given.client;
        return {};
    }

    /// The outstanding connection that was given first.
    [[nodiscard]] std::optional<Place> oldest() const noexcept {
        if (given_.empty()) return {};
        return given_.front().client;
    }

    // Counted over the slot's life.
    [[nodiscard]] std::uint64_t finished() const noexcept { return finished_; }
    [[nodiscard]] std::uint64_t returned() const noexcept { return returned_; }
    [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }
    [[nodiscard]] std::uint64_t handed() const noexcept {  ///< Given and not taken back.
        return finished_ + returned_ + lost_ + given_.size();
    }

private:
    struct Given {
        Place client;
        std::uint32_t handoff;
    };

    std::optional<Place> remove(std::uint32_t handoff) noexcept {
        const auto found = std::find_if(given_.begin(), given_.end(),
                                        [handoff](const Given& given) { return given.handoff == handoff; });
        if (found == given_.end()) return {};
        const Place client = found->client;
        given_.erase(found);
        return client;
    }

    template <class Ended>
    void end_first(std::size_t count, Ended ended) {
        const auto end = given_.begin() + static_cast<std::ptrdiff_t>(count);
        for (auto given = given_.begin(); given != end; ++given)
            ended(given->client);
        given_.erase(given_.begin(), end);
    }

    std::vector<Given> given_;  ///< In the order given; at most the slot's depth.
    std::uint64_t finished_ = 0;
    std::uint64_t returned_ = 0;
    std::uint64_t lost_ = 0;
    std::uint32_t last_handoff_ = 0;  ///< The number of the last handoff.
};

}  // namespace bullpen
