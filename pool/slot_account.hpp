/// What a slot was given and has not settled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "pool/place.hpp"

namespace bullpen {

/// The master's own, which it trusts more than the scoreboard: outstanding() == 0 is "free", and nothing but
/// the verbs below adds or subtracts. Each connection that was given leaves by exactly one of take_back,
/// give_back, finish_to and lose_rest. It outlives the workers that occupy the slot.
class SlotAccount {
public:
    /// Before the first give: no more than so many are ever outstanding, and giving needs no memory.
    void reserve(std::size_t depth) { given_.reserve(depth); }

    /// Returns the handoff's number, which is unique in the slot for the next 2^32 of them.
    std::uint32_t give(Place client) noexcept {
        given_.push_back({client, ++last_handoff_});
        return last_handoff_;
    }

    /// It was not received: the master has it again. Nothing: no connection of that handoff is outstanding.
    std::optional<Place> take_back(std::uint32_t handoff) noexcept { return remove(handoff); }

    /// The worker has given it back, to be parked.
    std::optional<Place> give_back(std::uint32_t handoff) noexcept {
        const std::optional<Place> client = remove(handoff);
        if (client) ++returned_;
        return client;
    }

    /// In the worker have ended `total` connections over the slot's life: calls ended(place) for each new
    /// one, in the order in which they were given. False: more than it was given, and nothing is changed.
    template <class Ended>
    [[nodiscard]] bool finish_to(std::uint64_t total, Ended ended) {
        const std::uint64_t count = total - finished_;
        if (count > given_.size()) return false;
        finished_ = total;
        end_first(static_cast<std::size_t>(count), ended);
        return true;
    }

    /// The worker is dead: calls ended(place) for each that is left and returns how many they were.
    template <class Ended>
    std::uint64_t lose_rest(Ended ended) {
        const std::size_t count = given_.size();
        lost_ += count;
        end_first(count, ended);
        return count;
    }

    /// As lose_rest, of one that was received without its descriptor. Nothing: none of that handoff.
    std::optional<Place> lose(std::uint32_t handoff) noexcept {
        const std::optional<Place> client = remove(handoff);
        if (client) ++lost_;
        return client;
    }

    [[nodiscard]] std::uint64_t outstanding() const noexcept { return given_.size(); }

    /// Which connection that handoff gave. Nothing: none that is outstanding.
    [[nodiscard]] std::optional<Place> find(std::uint32_t handoff) const noexcept {
        for (const Given& given : given_)
            if (given.handoff == handoff) return given.client;
        return {};
    }

    /// The one that was given first, of those outstanding.
    [[nodiscard]] std::optional<Place> oldest() const noexcept {
        if (given_.empty()) return {};
        return given_.front().client;
    }

    // Over the slot's life.
    [[nodiscard]] std::uint64_t finished() const noexcept { return finished_; }
    [[nodiscard]] std::uint64_t returned() const noexcept { return returned_; }
    [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }
    [[nodiscard]] std::uint64_t handed() const noexcept {  ///< And not taken back.
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

    std::vector<Given> given_;  ///< In their order; as many as the slot's depth at most.
    std::uint64_t finished_ = 0;
    std::uint64_t returned_ = 0;
    std::uint64_t lost_ = 0;
    std::uint32_t last_handoff_ = 0;  ///< Its number.
};

}  // namespace bullpen
