/// The roster: every slot, the connections that it was given, and the sets that it is in.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <bullpen/clock.hpp>
#include <bullpen/pool_limits.hpp>
#include "core/shared_array.hpp"
#include "pool/pool_shape.hpp"
#include "pool/scoreboard.hpp"
#include "pool/sizing.hpp"
#include "pool/slot_account.hpp"
#include "pool/slot_set.hpp"

namespace bullpen {

/// Whether a ready slot may be given clients.
enum class Usable : bool { no, yes };

/// Lives in the master. place() is the only function that puts a slot into its sets (as pgbouncer's
/// change_server_state); moved() calls it again after the slot's account has changed.
class Roster {
public:
    /// What the master reads for each client.
    struct Slot {
        TimePoint moved_at{};  ///< When it was last given a connection or settled one.
        SlotAccount account;
    };
    static_assert(sizeof(Slot) <= 96);

    /// Writes the slots' entries and gauges in the scoreboard.
    [[gnu::cold]] Roster(const PoolOptions& options, const PoolShape& shape, Scoreboard& scoreboard);

    void place(std::uint32_t slot, Stage stage, Usable usable) noexcept;
    void set_usable(std::uint32_t slot, Usable usable) noexcept { place(slot, stage_of(slot), usable); }

    /// The slot's account. A caller that changes it must call moved() within the same Scoreboard::Change.
    [[nodiscard]] SlotAccount& account(std::uint32_t slot) noexcept { return slots_[slot].account; }
    [[nodiscard]] const SlotAccount& account(std::uint32_t slot) const noexcept {
        return slots_[slot].account;
    }
    void moved(std::uint32_t slot, TimePoint now) noexcept;

    /// Notes the slot's account in memory that outlives the master; part of moved().
    void note_account(std::uint32_t slot) noexcept;

    /// From here on children don't get what is the master's alone.
    void keep_from_children() noexcept { withdrawals_.keep_from_children(); }

    /// For a master whose predecessor has died: takes over the slot's account as its entry in the scoreboard
    /// says, with the connections that are outstanding.
    void adopt(std::uint32_t slot, std::span<const SlotAccount::Given> given, TimePoint now);

    /// Notes whether, by its row, the worker awaits its client's next request.
    void note_awaiting(std::uint32_t slot, bool awaiting) noexcept { awaiting_.set(slot, awaiting); }

    [[nodiscard]] Stage stage_of(std::uint32_t slot) const noexcept;
    [[nodiscard]] bool is_usable(std::uint32_t slot) const noexcept { return !unusable_.contains(slot); }
    [[nodiscard]] TimePoint moved_at(std::uint32_t slot) const noexcept { return slots_[slot].moved_at; }

    /// When any slot last moved.
    [[nodiscard]] TimePoint moved_at() const noexcept { return moved_at_; }

    [[nodiscard]] const SlotSet& vacant() const noexcept { return vacant_; }
    [[nodiscard]] const SlotSet& starting() const noexcept { return starting_; }
    [[nodiscard]] const SlotSet& ready() const noexcept { return ready_; }
    [[nodiscard]] const SlotSet& draining() const noexcept { return draining_; }
    /// Ready slots that can serve one more client at once.
    [[nodiscard]] const SlotSet& idle() const noexcept { return idle_; }
    /// Slots with connections that are not settled, in any stage.
    [[nodiscard]] const SlotSet& owing() const noexcept { return owing_; }
    /// Ready slots with more connections than they serve at once.
    [[nodiscard]] const SlotSet& ahead() const noexcept { return ahead_; }

    /// Whether a client that arrives now may be given to a slot.
    [[nodiscard]] bool has_room() const noexcept {
        return pick_ == Pick::vacant ? may_grow() : !free_.empty();
    }
    [[nodiscard]] bool has_idle() const noexcept {
        return pick_ == Pick::vacant ? may_grow() : !idle_.empty();
    }

    /// The slot for the next client: the lowest idle one, else the lowest that has fewer than `ahead` clients
    /// ahead and whose worker awaits its client's next request or has moved within steal_after (one busy for
    /// longer is likely to stay so).
    [[nodiscard]] std::optional<std::uint32_t> slot_for_next(std::uint64_t ahead,
                                                             TimePoint now) const noexcept;

    /// The number of connections given to slots and not settled.
    [[nodiscard]] std::uint64_t outstanding() const noexcept;

    /// The pool's workers by what they do. If a worker serves several clients at once,
    /// busy = ceil(connections / capacity).
    [[nodiscard]] PoolCounts count() const noexcept;

    /// The number of workers above workers_max, which may have been lowered, that weren't told to leave.
    [[nodiscard]] int surplus() const noexcept;

    /// Whether there are fewer workers than workers_max.
    [[nodiscard]] bool may_grow() const noexcept {
        return !vacant_.empty() && slots() - vacant_.size() < limits_.workers_max;
    }

    /// Whether all workers_max workers are there and each has as many clients as it serves at once.
    [[nodiscard]] bool is_saturated() const noexcept;

    /// Whether the slot's worker has a client, given by the master or accepted by itself.
    [[nodiscard]] bool is_busy(std::uint32_t slot) const noexcept { return connections_of(slot) > 0; }

private:
    [[nodiscard]] std::uint64_t connections_of(std::uint32_t slot) const noexcept;
    [[nodiscard]] std::optional<std::uint32_t> least_loaded() const noexcept;
    [[nodiscard]] int slots() const noexcept { return static_cast<int>(slots_.size()); }

    Scoreboard& scoreboard_;
    Pick pick_;
    std::uint64_t capacity_;
    std::uint64_t depth_;
    bool sizes_itself_;
    const PoolLimits& limits_;
    std::chrono::milliseconds steal_after_;

    /// What the scoreboard's entry doesn't say of an account.
    struct Withdrawals {
        std::uint64_t declined = 0;
        std::uint64_t declinable = 0;
        std::uint64_t withdrawn = 0;
    };

    std::vector<Slot> slots_;
    SharedArray<Withdrawals> withdrawals_;
    SlotSet vacant_;
    SlotSet starting_;
    SlotSet ready_;
    SlotSet draining_;
    SlotSet unusable_;
    SlotSet idle_;
    SlotSet free_;  ///< Ready, with room for one more client: to serve it at once, or in the channel.
    SlotSet owing_;
    SlotSet ahead_;
    SlotSet awaiting_;
    TimePoint moved_at_{};
};

}  // namespace bullpen
