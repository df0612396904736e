#include "pool/pool.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <string>

#include "core/log.hpp"

namespace bullpen {
namespace {

constexpr TimePoint not_at_all = TimePoint::min();

}  // namespace

// The turns.

void Pool::forgive(std::chrono::nanoseconds gap, TimePoint now) noexcept {
    workforce_.forgive(gap, now);
    handoffs_.forgive(gap);
    renewer_.forgive(gap);
}

void Pool::note_progress(TimePoint now) noexcept {
    wake_up_.note_awake();
    workforce_.note_ready();
    handoffs_.note_progress(now);
    if (shape_.hands_off() && roster_.has_idle() && !door_.is_full()) wake_up_.ask_for_room(false);
}

bool Pool::note_child(pid_t pid, int status, TimePoint now) noexcept {
    if (WIFSTOPPED(status) || WIFCONTINUED(status))
        return workforce_.note_stopped(pid, WIFSTOPPED(status), now);
    std::optional<Death> death = workforce_.take_dead(pid, status, !shutdown_.is_serving(), now);
    if (!death) return false;
    for (std::uint32_t slot = death->process.first; slot < death->process.end; ++slot) {
        handoffs_.settle(slot, *death, now);
        death->lost += workforce_.settle(slot, *death, now);
    }
    workforce_.bury(*death, !shutdown_.is_serving(), now);
    return true;
}

void Pool::end_overdue_workers(TimePoint now) noexcept {
    workforce_.end_slow(now, [&](std::uint32_t slow) {
        const SlotRange process = shape_.process_of(slow);
        for (std::uint32_t slot = process.first; slot < process.end; ++slot)
            handoffs_.take_back_all(slot, now);
    });
    workforce_.end_stopped(now);
    workforce_.remind(now);
}

void Pool::relieve_stuck_workers(TimePoint now) noexcept {
    handoffs_.relieve(now);
    recalls_.attend(!shutdown_.is_serving(), now);
}

void Pool::attend_lobby(TimePoint now) noexcept {
    lobby_.attend(now);
    connections_.farewells().attend(now, options_.time_limits, !shutdown_.is_serving());
}

void Pool::hand_out_clients(TimePoint now) noexcept {
    const std::uint64_t ahead = places_ahead();
    while (may_give(now)) {
        const std::optional<std::uint32_t> slot = roster_.slot_for_next(ahead, now);
        if (!slot) break;
        if (!give_next(*slot, clients_at_once(*slot, ahead), now)) break;
    }
    handoffs_.rebalance(now);
    fill_queue(now);
    say_whether_wanted(now);
    sizer_.note_idle(roster_.count().idle);
}

/// Gives the slot the next clients, `most` at most. Returns false if there is none, or the slot took less.
bool Pool::give_next(std::uint32_t slot, std::size_t most, TimePoint now) noexcept {
    std::array<Place, messages_at_once> next;
    std::size_t count = 0;
    while (count < most) {
        const std::optional<Place> client = next_client(now);
        if (!client) break;
        next[count++] = *client;
    }
    const std::span clients = std::span{next}.first(count);
    const std::size_t given = give(slot, clients, now);
    for (const Place client : clients.subspan(given))
        lobby_.put_first(client);
    return count > 0 && given == count;
}

/// How many clients the slot gets by one message: some, where so many wait for each worker, because most of
/// the price of a handoff is for each message.
std::size_t Pool::clients_at_once(std::uint32_t slot, std::uint64_t ahead) const noexcept {
    if (shape_.pick != Pick::lowest_idle || ahead < 2) return 1;
    const std::uint64_t room = shape_.capacity + ahead - roster_.account(slot).outstanding();
    return std::min<std::size_t>({messages_at_once, ahead, room});
}

/// How many clients may be queued ahead at a busy worker: as many as wait for each, because a worker that has
/// its next client already goes on without a wake-up; but one at least, and queue_ahead at most.
std::uint64_t Pool::places_ahead() const noexcept {
    const auto most = static_cast<std::uint64_t>(options_.queue_ahead);
    const auto workers = static_cast<std::uint64_t>(std::max(roster_.ready().size(), 1));
    return std::min(most, std::max<std::uint64_t>(lobby_.waiting() / workers, 1));
}

/// Whether a client can be given to a worker. If each client needs a fork, not during a start pause.
bool Pool::may_give(TimePoint now) const noexcept {
    return shape_.pick != Pick::vacant || workforce_.may_start(now);
}

/// Returns how many of them, the first ones, the slot has now.
std::size_t Pool::give(std::uint32_t slot, std::span<const Place> clients, TimePoint now) noexcept {
    if (clients.empty()) return 0;
    if (shape_.pick == Pick::vacant) return workforce_.start(slot, clients.front(), now) ? 1 : 0;
    return handoffs_.give(slot, clients, now);
}

/// Clients in the lobby's queue and clients in the backlog take turns, so that neither can starve the other.
std::optional<Place> Pool::next_client(TimePoint now) noexcept {
    if (const auto first = lobby_.take_first()) return first;
    if (lobby_.has_turn())
        if (const auto next = lobby_.take_next()) return next;
    // With queue set, a newcomer goes to the queue's end.
    if (const auto newcomer = next_from_door(now)) {
        if (options_.queue == 0 || lobby_.queued() == 0) return newcomer;
        lobby_.put_last(*newcomer);
    }
    return lobby_.take_next();
}

/// The next client from the backlog that is admitted and, with HandoffWhen::readable, has sent something.
/// Others are parked or refused.
std::optional<Place> Pool::next_from_door(TimePoint now) noexcept {
    while (!door_.is_pausing(now) && make_room()) {
        const std::optional<Place> client = door_.let_in(now);
        if (!client || lobby_.receive(*client, now)) return client;
    }
    return {};
}

/// Makes room for one more connection if a client waits, by closing the connection that has been idle
/// longest.
bool Pool::make_room() noexcept {
    door_.set_full(false);
    if (connections_.has_room()) return true;
    if (!door_.still_has_clients()) return false;
    const bool evicted = lobby_.evict_idle();
    door_.set_full(!evicted);
    return evicted;
}

/// Moves clients from the backlog to the lobby's queue, if queue is set, while all workers are busy.
void Pool::fill_queue(TimePoint now) noexcept {
    if (options_.queue == 0) return;
    constexpr int at_most = 64;  // Clients in one turn.
    for (int i = 0; i < at_most; ++i) {
        const std::optional<Place> client = next_from_door(now);
        if (!client) break;
        lobby_.put_last(*client);
    }
    lobby_.keep_queue_short(now);
}

/// Tells workers that only await their client's next request whether another client waits, or did a moment
/// ago: in a crowd the next ones come at once.
void Pool::say_whether_wanted(TimePoint now) noexcept {
    const bool anybody_waits = lobby_.waiting() > 0 || door_.is_known_to_wait() || !roster_.ahead().empty();
    if (shape_.hands_off() && !roster_.has_idle() && anybody_waits) wanted_at_ = now;
    wanted_ = now - wanted_at_ < options_.standing_still;
    scoreboard_.header().wanted.store(wanted_ ? 1 : 0, std::memory_order_relaxed);
}

// Waiting.

TimePoint Pool::prepare_to_wait(TimePoint now) noexcept {
    if (!wait_for_workers() || !wait_for_clients(now)) return not_at_all;
    constexpr std::chrono::milliseconds longest{
        1000};  // Needed if a worker is killed between raising its count and waking the master.
    return std::min({now + longest, door_.prepare_to_wait(now), lobby_.prepare_to_wait(now),
                     connections_.farewells().prepare_to_wait(now), handoffs_.prepare_to_wait(now),
                     recalls_.prepare_to_wait(now), workforce_.prepare_to_wait(now), next_handing_out(now),
                     next_resize(now)});
}

/// Sets the wake-up words, then looks at the counts once more: a worker that raises a count later wakes the
/// master. Returns false if a count has risen.
bool Pool::wait_for_workers() noexcept {
    wake_up_.arm();
    if (!shape_.hands_off()) return true;
    if (shape_.parks) wake_up_.ask_for_returned();
    const bool needs_worker = !roster_.has_idle() || door_.is_full();
    if (needs_worker) wake_up_.ask_for_room();
    if (!needs_worker && !shape_.parks) return true;
    return !handoffs_.has_news();
}

/// Arms the listeners' watches if a client that comes could be given or queued. Returns false if such a
/// client is known to wait.
bool Pool::wait_for_clients(TimePoint now) noexcept {
    if (options_.design.receives_one) {  // What waits is for the workers that are starting.
        if (roster_.starting().empty() && roster_.may_grow() && workforce_.may_start(now))
            door_.watch_again();
        return true;
    }
    const bool open = door_.is_open(now) && may_give(now);
    if (shape_.pick == Pick::never) {  // A worker that begins wakes the master: the pool may have to grow.
        const bool may_grow = shutdown_.is_serving() && roster_.may_grow() && sizer_.is_due(now);
        wake_up_.ask_for_room(may_grow);
        return true;
    }
    if (!open) return true;
    const bool goes_to_a_worker = roster_.has_idle() && !lobby_.goes_first();
    if (goes_to_a_worker || options_.queue > 0) {
        watched_door_at_ = now;
        return door_.watch();
    }
    // A client would have to wait, unless a worker only awaits its client's next request: look when one
    // comes. A few kept clients that keep all workers moving must not hide the backlog either.
    const bool may_be_had = lobby_.queued() > 0 || is_standing_still(now) || has_long_not_watched(now);
    if (!roster_.has_idle() && may_be_had) {
        watched_door_at_ = now;
        door_.watch_for_first();
    }
    return true;
}

bool Pool::has_long_not_watched(TimePoint now) const noexcept {
    return shape_.parks && now - watched_door_at_ >= options_.standing_still;
}

/// Whether no worker has moved for standing_still: all may be waiting for clients that they could give back.
bool Pool::is_standing_still(TimePoint now) const noexcept {
    return shape_.parks && now - roster_.moved_at() >= options_.standing_still;
}

TimePoint Pool::next_handing_out(TimePoint now) const noexcept {
    constexpr std::chrono::milliseconds retry{
        10};  // For a connection that no channel took, and during a stop.
    TimePoint next = TimePoint::max();
    if (!shutdown_.is_serving() || (lobby_.goes_first() && roster_.has_room())) next = now + retry;
    if (!shape_.parks) return next;
    if (wanted_) next = std::min(next, std::max(wanted_at_, now) + options_.standing_still);
    if (roster_.has_idle()) return next;
    if (!is_standing_still(now)) next = std::min(next, roster_.moved_at() + options_.standing_still);
    return next;
}

// Size.

void Pool::resize(TimePoint now) noexcept {
    if (shape_.pick == Pick::vacant || !may_start_workers()) return;
    if (options_.design.receives_one) return start_for_datagrams(now);
    if (shutdown_.is_retiring()) {
        // A connection that was taken back from a worker that died late in the stop still needs a worker.
        const bool wanted = lobby_.waiting() > 0 && !shutdown_.is_over(now);
        if (wanted && !roster_.has_room() && roster_.starting().empty()) workforce_.grow(1, now);
        return;
    }
    if (renewer_.is_under_way() && shutdown_.is_serving() && renewer_.attend(now)) return;
    if (!sizer_.is_due(now) || !workforce_.may_start(now)) return;
    if (shape_.sizes_itself) {
        sizer_.begin_decision(now);
        workforce_.grow(1, now);  // Starts its one process if it isn't there.
        return;
    }
    workforce_.refill_listeners(now);
    PoolCounts counts = roster_.count();
    counts.waiting = waiting_clients(counts);
    if (shutdown_.is_emptying() && counts.waiting == 0) return;
    const Resize plan = sizer_.decide(counts, now);
    announce(plan, counts);
    workforce_.grow(plan.spawn, now);
    workforce_.retire_idle(plan.retire, now);
}

/// Starts a worker for each datagram that waits. Those that are starting have received none yet. How many
/// wait is a guess, and a worker that finds none ends: so they come a few at a time.
void Pool::start_for_datagrams(TimePoint now) noexcept {
    if (shutdown_.is_retiring()) return;
    constexpr int at_once = 8;
    const int room = options_.limits.workers_max - (static_cast<int>(slots()) - roster_.vacant().size());
    const int starting = roster_.starting().size();
    if (room > 0 && starting < at_once)
        workforce_.grow(std::min(room, std::min(door_.length(), at_once) - starting), now);
}

int Pool::waiting_clients(const PoolCounts& counts) const noexcept {
    const int here = static_cast<int>(lobby_.waiting());
    return counts.idle > 0 ? here : here + roster_.ahead().size() + door_.length();
}

/// Logs a decision to resize, with the counts that led to it.
void Pool::announce(const Resize& plan, const PoolCounts& counts) const noexcept {
    if (plan.spawn == 0 && plan.retire == 0) return;
    const std::string change =
        plan.spawn > 0 ? "starting " + std::to_string(plan.spawn) : "retiring " + std::to_string(plan.retire);
    log(LogLevel::info, "pool " + options_.name + ": " + change + " workers: " + std::to_string(counts.idle) +
                            " idle, " + std::to_string(counts.busy) + " busy, " +
                            std::to_string(counts.starting) + " starting, " + std::to_string(counts.waiting) +
                            " clients waiting");
}

/// When the next resize is due, if workers are missing now. Workers that become missing later are noticed in
/// the turn in which that happens.
TimePoint Pool::next_resize(TimePoint now) const noexcept {
    if (shape_.forks_for_each || shutdown_.is_retiring() || !may_start_workers()) return TimePoint::max();
    if (renewer_.is_under_way() && shutdown_.is_serving()) return now + Renewer::between_looks;
    if (roster_.surplus() > 0) return std::max(sizer_.next(), now + std::chrono::milliseconds{1});
    if (!roster_.may_grow()) return TimePoint::max();
    if (!workforce_.may_start(now)) return TimePoint::max();  // Workforce::prepare_to_wait() says when.
    const PoolCounts counts = roster_.count();
    const PoolLimits& limits = sizer_.limits();
    const bool fixed = limits.policy == SizingPolicy::fixed;
    const bool missing = fixed || counts.idle == 0 || counts.starting + counts.idle < limits.spare_min ||
                         workforce_.has_deserted_listener();
    // A worker that accepts by itself doesn't tell when it begins as the last spare one: look regularly.
    const bool looking_on = shape_.pick == Pick::never && counts.busy > 0;
    if (!missing && !looking_on) return TimePoint::max();
    return std::max(sizer_.next(), now + std::chrono::milliseconds{1});
}

void Pool::publish(TimePoint now) noexcept {
    door_.close_removed(options_.stop_settle, now);
    gauges_.publish(roster_, shutdown_.is_serving(), now);
    if (gauges_.sample(door_, workforce_, now)) admission_.sweep(now);
    check_books();
}

/// Asserts that every connection has exactly one owner.
void Pool::check_books() const noexcept {
    assert(shape_.pick == Pick::never ||
           connections_.size() == lobby_.waiting() + lobby_.parked() + roster_.outstanding());
}

}  // namespace bullpen
