/// Of a Pool, its accounts: who has room, who gets the next client, how many are busy.
#include <algorithm>

#include "pool/pool.hpp"

namespace bullpen {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

}  // namespace

std::optional<Envelope> Pool::next_client() noexcept {
    if (!held_.empty()) {
        Envelope client = std::move(held_.front());
        held_.pop_front();
        return client;
    }
    std::optional<Envelope> client = backlog_.accept();
    if (client) add(scoreboard_.header().accepted);
    return client;
}

bool Pool::hand_off(std::uint32_t number, Envelope& client, TimePoint now) noexcept {
    Slot& slot = slots_[number];
    client.message.kind = MessageKind::connection;
    client.message.generation = slot.generation;
    const int descriptor = client.descriptors[0].get();
    switch (send_message(slot.channel.master.get(), client.message, {&descriptor, 1})) {
        case Sent::sent: break;
        case Sent::would_block: return false;
        case Sent::closed: replace(number, "its channel is broken"); return false;
    }
    ++slot.handed;
    slot.handed_at = slot.moved_at = now;
    scoreboard_.entry(number).handed.store(slot.handed, relaxed);
    add(scoreboard_.header().handoffs);
    reclassify(number);
    return true;
}

/// The lowest idle slot, so that caches stay warm; where a worker serves several, that with the fewest. When
/// none is idle: one to queue ahead at, but only where something has moved lately. Who is busy for long stays
/// so.
std::optional<std::uint32_t> Pool::slot_for_next(TimePoint now) const noexcept {
    if (capacity() > 1) return least_loaded();
    if (!idle_.empty()) return idle_.lowest();
    return free_.find_if(
        [&](std::uint32_t slot) { return now - slots_[slot].moved_at < options_.steal_after; });
}

std::optional<std::uint32_t> Pool::least_loaded() const noexcept {
    std::optional<std::uint32_t> best;
    free_.for_each([&](std::uint32_t slot) {
        if (!best || slots_[slot].outstanding() < slots_[*best].outstanding()) best = slot;
    });
    return best;
}

/// Puts a ready slot where its account says it belongs.
void Pool::reclassify(std::uint32_t number) noexcept {
    const Slot& slot = slots_[number];
    const bool usable = !slot.ended_by_us && !slot.stuck;
    idle_.set(number, usable && slot.outstanding() < capacity());
    free_.set(number, usable && slot.outstanding() < depth());
    busy_.set(number, !usable || slot.outstanding() > 0);
    ahead_.set(number, usable && slot.outstanding() > capacity());
}

/// From those that are busy with something longer to those that are idle.
void Pool::steal_queued(TimePoint now) noexcept {
    if (ahead_.empty() || idle_.empty()) return;
    ahead_.for_each([&](std::uint32_t number) {
        Slot& slot = slots_[number];
        if (idle_.empty() || now - slot.handed_at < options_.steal_after) return;
        const Received taken = take_back_one(slot);
        scoreboard_.entry(number).handed.store(slot.handed, relaxed);
        reclassify(number);
        if (taken != Received::message) return;
        Envelope client = std::move(held_.back());
        held_.pop_back();
        if (!hand_off(*idle_.lowest(), client, now)) held_.push_front(std::move(client));
    });
}

/// After a failure that only time can mend, the clients wait in the kernel.
bool Pool::pausing(TimePoint now) const noexcept {
    return backlog_.pausing(now) || (is(Delivery::fork) && now < start_again_);
}

bool Pool::has_room() const noexcept {
    switch (options_.model.delivery) {
        case Delivery::handoff: return !free_.empty();
        case Delivery::fork: return !vacant_.empty();
        case Delivery::accept: return false;
    }
    return false;
}

bool Pool::sizes_itself() const noexcept {
    return options_.model.housing == Housing::threads_of_one;
}

SlotRange Pool::process_of(std::uint32_t slot) const noexcept {
    const auto together = sizes_itself() ? slots() : static_cast<std::uint32_t>(options_.threads);
    const std::uint32_t first = slot / together * together;
    return {first, std::min(first + together, slots())};
}

std::uint64_t Pool::capacity() const noexcept {
    return options_.model.multiplexes ? static_cast<std::uint64_t>(options_.capacity) : 1;
}

std::uint64_t Pool::depth() const noexcept {
    const bool queues = is(Delivery::handoff) && !options_.model.multiplexes;
    return capacity() + (queues ? static_cast<std::uint64_t>(options_.queue_ahead) : 0);
}

/// In workers. Where a worker serves several clients at once, they are counted as if each worker were filled
/// up before the next one: what is left over is idle.
PoolCounts Pool::count() const noexcept {
    PoolCounts counts{.starting = starting_.size(), .draining = draining_.size()};
    if (is(Delivery::fork)) {
        counts.idle = vacant_.size();
        counts.busy = busy_.size();
        return counts;
    }
    std::uint64_t connections = 0;
    int absent = 0;
    if (is(Delivery::handoff) && capacity() == 1)
        connections = static_cast<std::uint64_t>(ready_.size() - idle_.size());
    else
        ready_.for_each([&](std::uint32_t number) {
            const ScoreboardRow& row = scoreboard_.row(number);
            const std::uint64_t now =
                is(Delivery::handoff)
                    ? slots_[number].outstanding()
                    : row.begun.load(relaxed) - row.finished.load(relaxed) - row.lost.load(relaxed);
            connections += std::min(now, capacity());  // A broken worker may write anything.
            absent += row.activity.load(relaxed) == static_cast<std::uint32_t>(Activity::absent);
        });
    const int present = ready_.size() - absent;
    counts.busy = std::min(present, static_cast<int>((connections + capacity() - 1) / capacity()));
    counts.idle = present - counts.busy;
    return counts;
}

}  // namespace bullpen
