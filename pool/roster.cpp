#include "pool/roster.hpp"

#include <algorithm>

namespace bullpen {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

}  // namespace

Roster::Roster(const PoolOptions& options, const PoolShape& shape, Scoreboard& scoreboard)
    : scoreboard_{scoreboard},
      pick_{shape.pick},
      capacity_{shape.capacity},
      depth_{shape.depth},
      sizes_itself_{shape.sizes_itself},
      limits_{options.limits},
      steal_after_{options.steal_after},
      slots_(shape.slots),
      withdrawals_{shape.slots},
      vacant_{shape.slots},
      starting_{shape.slots},
      ready_{shape.slots},
      draining_{shape.slots},
      unusable_{shape.slots},
      idle_{shape.slots},
      free_{shape.slots},
      owing_{shape.slots},
      ahead_{shape.slots},
      awaiting_{shape.slots} {
    for (std::uint32_t slot = 0; slot < shape.slots; ++slot) {
        slots_[slot].account.reserve(depth_);
        place(slot, Stage::vacant, Usable::yes);
    }
}

void Roster::place(std::uint32_t slot, Stage stage, Usable usable) noexcept {
    const std::uint64_t outstanding = slots_[slot].account.outstanding();
    const bool serves = stage == Stage::ready && usable == Usable::yes;
    vacant_.set(slot, stage == Stage::vacant);
    starting_.set(slot, stage == Stage::starting);
    ready_.set(slot, stage == Stage::ready);
    draining_.set(slot, stage == Stage::draining);
    unusable_.set(slot, usable == Usable::no);
    idle_.set(slot, serves && outstanding < capacity_);
    free_.set(slot, serves && outstanding < depth_);
    ahead_.set(slot, serves && outstanding > capacity_);
    owing_.set(slot, outstanding > 0);
    scoreboard_.entry(slot).stage.store(static_cast<std::uint32_t>(stage), relaxed);
}

void Roster::moved(std::uint32_t slot, TimePoint now) noexcept {
    note_account(slot);
    slots_[slot].moved_at = moved_at_ = now;
    place(slot, stage_of(slot), is_usable(slot) ? Usable::yes : Usable::no);
}

void Roster::note_account(std::uint32_t slot) noexcept {
    const Scoreboard::Change change{scoreboard_};
    SlotEntry& entry = scoreboard_.entry(slot);
    const SlotAccount& account = slots_[slot].account;
    const auto note = [this](SharedCounter& word, std::uint64_t value) {
        if (word.load(relaxed) == value) return;
        scoreboard_.remember(word);
        word.store(value, std::memory_order_release);
    };
    note(entry.handed, account.handed());
    note(entry.returned, account.returned());
    note(entry.lost, account.lost());
    note(entry.given, account.handoffs());
    Withdrawals& noted = withdrawals_[slot];
    const Withdrawals now{account.declined(), account.declinable(), account.withdrawn()};
    for (std::uint64_t Withdrawals::*const word :
         {&Withdrawals::declined, &Withdrawals::declinable, &Withdrawals::withdrawn}) {
        if (noted.*word == now.*word) continue;
        scoreboard_.remember(noted.*word);
        noted.*word = now.*word;
    }
}

void Roster::adopt(std::uint32_t slot, std::span<const SlotAccount::Given> given, TimePoint now) {
    const SlotEntry& entry = scoreboard_.entry(slot);
    const std::uint64_t returned = entry.returned.load(relaxed);
    const std::uint64_t lost = entry.lost.load(relaxed);
    slots_[slot].account.adopt({.finished = entry.handed.load(relaxed) - returned - lost - given.size(),
                                .returned = returned,
                                .lost = lost,
                                .handoffs = entry.given.load(relaxed),
                                .declined = withdrawals_[slot].declined,
                                .declinable = withdrawals_[slot].declinable,
                                .withdrawn = withdrawals_[slot].withdrawn},
                               given);
    slots_[slot].moved_at = moved_at_ = now;
    place(slot, stage_of(slot), is_usable(slot) ? Usable::yes : Usable::no);
}

Stage Roster::stage_of(std::uint32_t slot) const noexcept {
    if (ready_.contains(slot)) return Stage::ready;
    if (vacant_.contains(slot)) return Stage::vacant;
    return starting_.contains(slot) ? Stage::starting : Stage::draining;
}

std::optional<std::uint32_t> Roster::slot_for_next(std::uint64_t ahead, TimePoint now) const noexcept {
    switch (pick_) {
        case Pick::vacant: return may_grow() ? vacant_.lowest() : std::nullopt;
        case Pick::least_loaded: return least_loaded();
        case Pick::never: return {};
        case Pick::lowest_idle: break;
    }
    if (!idle_.empty()) return idle_.lowest();
    return free_.find_if([&](std::uint32_t slot) {
        return slots_[slot].account.outstanding() < capacity_ + ahead &&
               (awaiting_.contains(slot) || now - slots_[slot].moved_at < steal_after_);
    });
}

std::optional<std::uint32_t> Roster::least_loaded() const noexcept {
    std::optional<std::uint32_t> best;
    free_.for_each([&](std::uint32_t slot) {
        if (!best || slots_[slot].account.outstanding() < slots_[*best].account.outstanding()) best = slot;
    });
    return best;
}

std::uint64_t Roster::outstanding() const noexcept {
    std::uint64_t sum = 0;
    owing_.for_each([&](std::uint32_t slot) { sum += slots_[slot].account.outstanding(); });
    return sum;
}

/// The slot's connections, by its account. A worker that accepts by itself has them only in its row, where a
/// broken one may write anything: at most `capacity` are counted.
std::uint64_t Roster::connections_of(std::uint32_t slot) const noexcept {
    if (pick_ != Pick::never) return slots_[slot].account.outstanding();
    const ScoreboardRow& row = scoreboard_.row(slot);
    const std::uint64_t finished = row.finished.load(relaxed);
    const std::uint64_t begun = row.begun.load(relaxed);
    return begun > finished ? std::min(begun - finished, capacity_) : 0;
}

PoolCounts Roster::count() const noexcept {
    PoolCounts counts{.starting = starting_.size(), .draining = draining_.size()};
    if (pick_ == Pick::vacant) {
        counts.idle = std::clamp(limits_.workers_max - (slots() - vacant_.size()), 0, vacant_.size());
        counts.busy = ready_.size();
        return counts;
    }
    if (pick_ == Pick::lowest_idle) {
        counts.idle = idle_.size();
        counts.busy = ready_.size() - counts.idle;
        return counts;
    }
    std::uint64_t connections = 0;
    int absent = 0;
    ready_.for_each([&](std::uint32_t slot) {
        connections += connections_of(slot);
        const auto activity = scoreboard_.row(slot).activity.load(relaxed);
        absent += sizes_itself_ && activity == static_cast<std::uint32_t>(Activity::absent);
    });
    const int present = ready_.size() - absent;
    counts.busy = std::min(present, static_cast<int>((connections + capacity_ - 1) / capacity_));
    counts.idle = present - counts.busy;
    return counts;
}

int Roster::surplus() const noexcept {
    return std::max(0, slots() - vacant_.size() - draining_.size() - limits_.workers_max);
}

bool Roster::is_saturated() const noexcept {
    if (pick_ == Pick::vacant) return !may_grow();
    if (!starting_.empty() || (may_grow() && !sizes_itself_)) return false;
    if (pick_ != Pick::never) return idle_.empty();
    const bool room =
        ready_.find_if([&](std::uint32_t slot) { return connections_of(slot) < capacity_; }).has_value();
    return !room;
}

}  // namespace bullpen
