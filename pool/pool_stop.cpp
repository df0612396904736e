/// Of a Pool, the orderly stop.
#include <signal.h>

#include <algorithm>

#include "pool/pool.hpp"

namespace bullpen {
void Pool::begin_stop(TimePoint now, TimePoint deadline) noexcept {
    if (phase_ != Phase::serving) {
        stop_deadline_ = std::min(stop_deadline_, deadline);
        return;
    }
    phase_ = Phase::emptying_backlog;
    stop_deadline_ = deadline;
    backlog_empty_since_ = now;
    scoreboard_.header().draining.store(1);
    backlog_.stop_new_clients();
    lot_.hasten(now + options_.stop_settle, now + options_.stop_patience);
    for (Slot& slot : slots_)
        for (Listener& listener : slot.listeners)
            listener.stop_new_clients();
}

void Pool::continue_stop(TimePoint now) noexcept {
    if (phase_ == Phase::emptying_backlog) {
        if (anybody_waits()) backlog_empty_since_ = now;
        if (now - backlog_empty_since_ >= options_.stop_settle || now >= stop_deadline_) {
            phase_ = Phase::retiring;
            backlog_.close();
        }
    }
    if (phase_ != Phase::retiring) return;
    if (now >= stop_deadline_) {  // Every turn: a burial may have brought something back.
        add(scoreboard_.header().lost[static_cast<std::size_t>(ExitReason::drain_limit)],
            held_.size() + waiting_.size() + lot_.size());
        held_.clear();
        waiting_.clear();
        lot_.expire(TimePoint::max()).clear();
        for (Slot& slot : slots_) {
            if (slot.pid == 0 || slot.ended_by_us == ExitReason::drain_limit) continue;
            slot.ended_by_us = ExitReason::drain_limit;
            ::kill(slot.pid, SIGKILL);
        }
        return;
    }
    if (!held_.empty() || !waiting_.empty() || !lot_.empty() || is(Delivery::fork)) return;
    const auto retire_each = [this](std::uint32_t slot) { retire(slot); };
    starting_.for_each(retire_each);
    ready_.for_each(retire_each);
}

bool Pool::anybody_waits() const noexcept {
    const auto has_clients = [](const Listener& listener) { return listener.has_clients(); };
    return !held_.empty() || !waiting_.empty() || !lot_.empty() || backlog_.has_clients() ||
           std::any_of(slots_.begin(), slots_.end(), [&](const Slot& slot) {
               return std::any_of(slot.listeners.begin(), slot.listeners.end(), has_clients);
           });
}

/// Of one of the pool's listeners and its siblings in the slots.
ListenQueue Pool::queue_of(std::size_t listener) const noexcept {
    ListenQueue sum = listeners()[listener].queue().value_or(ListenQueue{});
    for (const Slot& slot : slots_) {
        if (slot.listeners.empty()) continue;
        const ListenQueue own = slot.listeners[listener].queue().value_or(ListenQueue{});
        sum.length += own.length;
        sum.limit += own.limit;
    }
    return sum;
}

bool Pool::stopped() const noexcept {
    return phase_ == Phase::retiring && held_.empty() && waiting_.empty() && lot_.empty() &&
           vacant_.size() == static_cast<int>(slots());
}

}  // namespace bullpen
