/// Of a Pool, its accounts: who has room, who gets the next client, how many are busy.
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <span>

#include "pool/pool.hpp"

namespace bullpen {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

/// Cheaper than a look by epoll, which is only for those who keep us waiting.
bool has_input(int socket) noexcept {
    int unread = 0;
    return ::ioctl(socket, FIONREAD, &unread) == 0 && unread > 0;
}

}  // namespace

/// Who waits here and who waits in the backlog take turns: neither can starve the other.
std::optional<HeldClient> Pool::next_client(TimePoint now) noexcept {
    const auto front_of = [](std::deque<HeldClient>& queue) {
        HeldClient client = std::move(queue.front());
        queue.pop_front();
        return client;
    };
    if (!held_.empty()) return front_of(held_);
    waiting_first_ = !waiting_first_;
    if (waiting_first_ && !waiting_.empty()) return front_of(waiting_);
    // With a queue of our own, whoever comes goes to its end.
    if (std::optional<HeldClient> client = next_accepted(now)) {
        if (options_.queue_max == 0 || waiting_.empty()) return client;
        waiting_.push_back(std::move(*client));
    }
    if (!waiting_.empty()) return front_of(waiting_);
    return {};
}

/// The next client from the backlog that may come in and, where that is waited for, has spoken. The others
/// are parked or refused.
std::optional<HeldClient> Pool::next_accepted(TimePoint now) noexcept {
    while (!backlog_.pausing(now) && make_room()) {
        std::optional<HeldClient> client = backlog_.accept();
        if (!client) break;
        add(scoreboard_.header().accepted);
        const Account& account = client->account;
        if (admission_.enabled()) {
            if (const auto why = admission_.admit(account.peer, account.listener, unserved(), now)) {
                turn_away(*client, *why);
                continue;
            }
        }
        if (options_.handoff_when == HandoffWhen::accepted || has_input(client->socket())) return client;
        park(std::move(*client), now);
    }
    return {};
}

/// When all workers are busy: those who come wait here, and who finds no place is refused.
void Pool::fill_queue(TimePoint now) noexcept {
    if (options_.queue_max == 0) return;
    constexpr int at_most = 64;  // In one turn.
    for (int i = 0; i < at_most; ++i) {
        std::optional<HeldClient> client = next_accepted(now);
        if (!client) break;
        waiting_.push_back(std::move(*client));
    }
    // Also those that were parked, and have spoken now. Who came last goes.
    for (std::size_t i = waiting_.size(); i-- > 0 && waiting_.size() > queue_max();) {
        if (!waiting_[i].may_be_refused()) continue;
        refuse(std::move(waiting_[i]), Refusal::overload);
        waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

bool Pool::hand_off(std::uint32_t number, HeldClient& client, TimePoint now) noexcept {
    Slot& slot = slots_[number];
    Message& message = client.envelope.message;
    message.kind = MessageKind::connection;
    message.generation = slot.generation;
    message.number = slot.number + 1;
    const std::array<int, 2> descriptors{client.socket(), client.envelope.descriptors[1].get()};
    const std::size_t count = client.envelope.descriptors[1] ? 2 : 1;
    switch (send_message(slot.channel.master.get(), message, std::span{descriptors}.first(count))) {
        case Sent::sent: break;
        case Sent::would_block: return false;
        case Sent::closed: replace(number, "its channel is broken"); return false;
    }
    ++slot.number;
    if (parks()) slot.given.push_back({slot.number, client.account});
    ++slot.handed;
    slot.handed_at = slot.moved_at = moved_at_ = now;
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

/// From those that are busy with something longer to those that are idle, or to the queue that bounds its
/// wait.
void Pool::steal_queued(TimePoint now) noexcept {
    const auto wanted = [this] { return !idle_.empty() || options_.queue_max > 0; };
    if (ahead_.empty() || !wanted()) return;
    ahead_.for_each([&](std::uint32_t number) {
        Slot& slot = slots_[number];
        if (!wanted() || now - slot.handed_at < options_.steal_after) return;
        const Received taken = take_back_one(slot);
        scoreboard_.entry(number).handed.store(slot.handed, relaxed);
        reclassify(number);
        if (taken != Received::message) return;
        HeldClient client = std::move(held_.back());
        held_.pop_back();
        if (idle_.empty())
            waiting_.push_front(std::move(client));
        else if (!hand_off(*idle_.lowest(), client, now))
            held_.push_front(std::move(client));
    });
}

std::size_t Pool::queue_max() const noexcept {
    return static_cast<std::size_t>(options_.queue_max);
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
            const std::uint64_t now = is(Delivery::handoff)
                                          ? slots_[number].outstanding()
                                          : row.begun.load(relaxed) - row.finished.load(relaxed) -
                                                row.lost.load(relaxed);  // None parks.
            connections += std::min(now, capacity());  // A broken worker may write anything.
            absent += row.activity.load(relaxed) == static_cast<std::uint32_t>(Activity::absent);
        });
    const int present = ready_.size() - absent;
    counts.busy = std::min(present, static_cast<int>((connections + capacity() - 1) / capacity()));
    counts.idle = present - counts.busy;
    return counts;
}

}  // namespace bullpen
