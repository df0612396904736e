#include "pool/pool.hpp"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/log.hpp"

namespace bullpen {

namespace {

constexpr auto relaxed = std::memory_order_relaxed;

std::string describe(int status) {
    if (WIFSIGNALED(status)) {
        const int signal = WTERMSIG(status);
        return "was killed by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
    }
    return "exited with status " + std::to_string(WEXITSTATUS(status));
}

PoolLimits limits_for(const Model& model, PoolLimits limits) noexcept {
    if (model.workers_fixed > 0) {
        limits.policy = SizingPolicy::fixed;
        limits.workers_max = model.workers_fixed;
    }
    if (limits.policy == SizingPolicy::fixed) limits.workers_start = limits.workers_max;
    limits.workers_start = std::min(limits.workers_start, limits.workers_max);
    return limits;
}

std::vector<Listener> open_all(const PoolOptions& options) {
    std::vector<Listener> listeners;
    for (const std::string& text : options.listen)
        for (Listener& listener : open_listeners(text, options.listen_options))
            listeners.push_back(std::move(listener));
    return listeners;
}

}  // namespace

Pool::Pool(PoolOptions options, std::chrono::seconds drain_timeout)
    : options_{std::move(options)},
      drain_timeout_{drain_timeout},
      backlog_{options_.name, open_all(options_), options_.accept_pause},
      scoreboard_{static_cast<std::uint32_t>(limits_for(options_.model, options_.limits).workers_max)},
      wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)},
      slots_(scoreboard_.slots()),
      vacant_{scoreboard_.slots()},
      starting_{scoreboard_.slots()},
      free_{scoreboard_.slots()},
      busy_{scoreboard_.slots()},
      draining_{scoreboard_.slots()} {
    options_.limits = limits_for(options_.model, options_.limits);
    if (!wake_) throw std::system_error{errno, std::generic_category(), "cannot create an eventfd"};
    for (std::uint32_t slot = 0; slot < slots(); ++slot)
        vacant_.insert(slot);

    ScoreboardHeader& header = scoreboard_.header();
    const PoolLimits& limits = options_.limits;
    const bool fixed = limits.policy == SizingPolicy::fixed;
    const bool idles = options_.model.delivery != Delivery::fork;  // Else no worker lives without a client.
    header.spare_min = static_cast<std::uint32_t>(!idles || fixed ? 0 : limits.spare_min);
    header.spare_max = static_cast<std::uint32_t>(!idles ? 0 : fixed ? limits.workers_max : limits.spare_max);
    header.listeners = static_cast<std::uint32_t>(listeners().size());
    header.hands_off = options_.model.delivery != Delivery::accept;
    header.spare = static_cast<std::uint32_t>(limits.workers_start);
    header.heartbeat_ns = monotonic_ns();
}

Pool::~Pool() = default;
Pool::Pool(Pool&&) noexcept = default;

std::size_t Pool::descriptors_needed() const noexcept {
    constexpr std::size_t own = 2;  // The scoreboard and the eventfd.
    const std::size_t channel_ends = options_.model.delivery == Delivery::handoff ? 2 : 0;
    constexpr std::size_t in_hand = 1;  // Each slot's connection may have to be taken back.
    return listeners().size() + own + slots() * (channel_ends + in_hand);
}

// The verbs of a turn

void Pool::start(Events& events, std::vector<int> kept, TimePoint now) {
    kept_ = std::move(kept);
    wake_watch_.emplace(events.watch(wake_.get()));
    if (options_.model.delivery == Delivery::accept)
        backlog_.accept_in_workers();
    else
        backlog_.accept_in_master(events);
    window_began_ = resized_ = sampled_ = saturated_since_ = now;
    history_.idle_low = options_.limits.workers_start;
    if (options_.model.delivery == Delivery::fork) return;
    for (int i = 0; i < options_.limits.workers_start && !vacant_.empty(); ++i)
        spawn(*vacant_.lowest(), std::nullopt, now);
}

bool Pool::prepare_to_wait() noexcept {
    wake_watch_->arm();
    if (has_room()) {
        if (!held_.empty() || pausing(Clock::now())) return true;
        return backlog_.watch();
    }
    if (options_.model.delivery != Delivery::handoff) return true;
    // Whoever finishes from here on sees the word and wakes us; whoever finished before is seen by this look.
    scoreboard_.header().waiting.store(1, std::memory_order_seq_cst);
    note_progress();
    return !has_room();
}

TimePoint Pool::next_deadline() const noexcept {
    using std::chrono::milliseconds;
    constexpr milliseconds bound{1000};  // A worker can be killed between its count and its wake-up.
    constexpr milliseconds retry{10};    // A connection that no channel took, or a stop's next look.
    const TimePoint now = Clock::now();
    TimePoint deadline = now + bound;
    const auto no_later_than = [&](TimePoint time) { deadline = std::min(deadline, time); };

    if (!busy_.empty() || !draining_.empty()) no_later_than(now + options_.stuck_after / 2);
    if (phase_ != Phase::serving || (!held_.empty() && has_room())) no_later_than(now + retry);
    if (backlog_.pausing(now)) no_later_than(backlog_.pause_end());
    if (start_again_ > now) no_later_than(start_again_);
    if (options_.model.delivery != Delivery::fork && phase_ != Phase::retiring) {
        const PoolCounts counts = count();
        const int wanted = options_.limits.policy == SizingPolicy::fixed ? 1 : options_.limits.spare_min;
        if (!vacant_.empty() && (counts.starting + counts.idle < wanted || counts.idle == 0))
            no_later_than(std::max(resized_ + options_.resize_interval, start_again_));
    }
    return deadline;
}

bool Pool::bury(pid_t pid, int status, TimePoint now) {
    const auto found =
        std::find_if(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.pid == pid; });
    if (found == slots_.end()) return false;
    const auto slot = static_cast<std::uint32_t>(found - slots_.begin());
    const bool was_ready = free_.contains(slot) || busy_.contains(slot);
    const ExitReason reason = reason_for(*found, status);
    const std::uint64_t lost_before = found->lost;
    settle(slot, reason);
    add(scoreboard_.header().exits[static_cast<std::size_t>(reason)]);
    make_vacant(slot);

    if (reason != ExitReason::retired) {
        const std::uint64_t lost = found->lost - lost_before;
        log(LogLevel::warning, "worker " + options_.name + "/" + std::to_string(slot) + " (pid " +
                                   std::to_string(pid) + ") " + describe(status) +
                                   (reason == ExitReason::start ? " before it was ready" : "") +
                                   (lost > 0 ? "; connections lost: " + std::to_string(lost) : ""));
    }
    if (reason == ExitReason::start) {
        // Once a pause: workers that were started together die together.
        if (now >= start_again_)
            start_again_ = now + std::chrono::milliseconds{start_pause_ms(++start_deaths_)};
    } else if (was_ready && phase_ == Phase::serving && options_.model.delivery != Delivery::fork) {
        spawn(slot, std::nullopt, now);  // Outside the ramp: it is no growth.
    }
    return true;
}

void Pool::note_progress() noexcept {
    ScoreboardHeader& header = scoreboard_.header();
    if (wake_watch_->ready()) {
        std::uint64_t count = 0;
        [[maybe_unused]] const auto ignored = ::read(wake_.get(), &count, sizeof count);
        wake_watch_->clear_ready();
    }
    starting_.for_each([&](std::uint32_t slot) {
        if (scoreboard_.row(slot).ready_generation.load(std::memory_order_seq_cst) != slots_[slot].generation)
            return;
        starting_.erase(slot);
        free_.insert(slot);
        set_stage(slot, Stage::ready);
        start_deaths_ = 0;
        start_again_ = {};
    });
    if (options_.model.delivery != Delivery::handoff) return;
    busy_.for_each([&](std::uint32_t number) {
        Slot& slot = slots_[number];
        const std::uint64_t finished = scoreboard_.row(number).finished.load(std::memory_order_seq_cst);
        if (slot.ended_by_us) return;
        if (slot.stuck && scoreboard_.row(number).answers.load(std::memory_order_seq_cst) == slot.questions)
            slot.stuck = false;
        else if (finished == slot.finished)
            return;
        if (finished - slot.finished > slot.outstanding()) {
            replace(number, "its row counts more finished connections than it was handed");
            return;
        }
        slot.finished = finished;
        if (slot.outstanding() > 0 || slot.stuck) return;
        busy_.erase(number);
        free_.insert(number);
    });
    if (!free_.empty() && header.waiting.load(relaxed) != 0) header.waiting.store(0, relaxed);
}

void Pool::relieve_stuck_workers(TimePoint now) noexcept {
    if (options_.model.delivery != Delivery::handoff) return;
    const auto relieve = [&](std::uint32_t number) {
        Slot& slot = slots_[number];
        if (slot.stuck || now - slot.handed_at < options_.stuck_after) return;
        // Only a hint: whether the worker has received it is decided by the channel.
        if (slot.outstanding() == 0 ||
            scoreboard_.row(number).begun.load(relaxed) != slot.finished + slot.lost)
            return;
        const std::uint64_t handed = slot.handed;
        take_back_queued(slot);
        if (slot.handed == handed) return;
        scoreboard_.entry(number).handed.store(slot.handed, relaxed);
        log(LogLevel::warning, "worker " + options_.name + "/" + std::to_string(number) + " (pid " +
                                   std::to_string(slot.pid) + ") is stuck; its client goes to another");
        slot.stuck = true;
        ++slot.questions;
        // What was taken back with the client may have been the order to retire.
        const MessageKind kind = draining_.contains(number) ? MessageKind::retire : MessageKind::answer;
        send_message(slot.channel.master.get(), {.kind = kind, .generation = slot.generation}, {});
    };
    busy_.for_each(relieve);
    draining_.for_each(relieve);
}

void Pool::hand_out_clients(TimePoint now) {
    while (has_room() && !pausing(now)) {
        std::optional<Envelope> client = next_client();
        if (!client) break;
        if (options_.model.delivery == Delivery::fork) {
            spawn(*vacant_.lowest(), std::move(client), now);
        } else if (!hand_off(*free_.lowest(), *client, now)) {
            held_.push_front(std::move(*client));
            break;
        }
    }
    history_.idle_low = std::min(history_.idle_low, count().idle);
}

void Pool::resize(TimePoint now) {
    if (options_.model.delivery == Delivery::fork || now < start_again_) return;
    if (phase_ == Phase::retiring) {
        // Taken back from a worker that died at the very end: somebody must still serve it.
        const bool in_time = now < stop_deadline_;
        if (in_time && !held_.empty() && free_.empty() && starting_.empty() && !vacant_.empty())
            spawn(*vacant_.lowest(), std::nullopt, now);
        return;
    }
    history_.window_ended = now - window_began_ >= options_.shrink_window;
    if (!history_.window_ended && now - resized_ < options_.resize_interval) return;
    if (history_.window_ended) window_began_ = now;
    resized_ = now;

    PoolCounts counts = count();
    counts.waiting = static_cast<int>(held_.size()) + (counts.idle == 0 ? backlog_.length() : 0);
    if (phase_ == Phase::emptying_backlog && counts.waiting == 0) return;
    const Resize plan = plan_resize(counts, options_.limits, history_);
    history_ = plan.next;
    announce(plan, counts);
    for (int i = 0; i < plan.spawn && !vacant_.empty(); ++i)
        spawn(*vacant_.lowest(), std::nullopt, now);
    for (int i = 0; i < plan.retire && !free_.empty(); ++i)
        retire(*free_.highest());
}

/// Every decision with what it was made from.
void Pool::announce(const Resize& plan, const PoolCounts& counts) const noexcept {
    if (plan.spawn == 0 && plan.retire == 0) return;
    log(LogLevel::info, "pool " + options_.name + ": " + std::to_string(counts.idle) + " idle, " +
                            std::to_string(counts.busy) + " busy, " + std::to_string(counts.starting) +
                            " starting, " + std::to_string(counts.waiting) + " clients waiting: " +
                            (plan.spawn > 0 ? "spawning " + std::to_string(plan.spawn)
                                            : "retiring " + std::to_string(plan.retire)));
}

void Pool::publish(TimePoint now) noexcept {
    ScoreboardHeader& header = scoreboard_.header();
    const PoolCounts counts = count();
    const bool saturated = options_.model.delivery == Delivery::accept
                               ? counts.idle == 0 && counts.starting == 0 && vacant_.empty()
                               : !has_room() && vacant_.empty() && starting_.empty();
    if (saturated_) {
        using std::chrono::nanoseconds;
        const auto span = std::chrono::duration_cast<nanoseconds>(now - saturated_since_).count();
        add(header.saturated_ns, static_cast<std::uint64_t>(std::max<std::int64_t>(0, span)));
    }
    saturated_since_ = now;
    const bool worth_a_line = phase_ == Phase::serving && options_.model.workers_fixed == 0;
    if (worth_a_line && saturated && !saturated_ && now - warned_saturated_ >= std::chrono::seconds{10}) {
        warned_saturated_ = now;
        log(LogLevel::warning, "pool " + options_.name + " is saturated: all " + std::to_string(slots()) +
                                   " workers (workers-max) are busy, further clients wait in the backlog");
    }
    saturated_ = saturated;

    // A worker that accepts by itself is not spare for others while it serves; leave it out of what it looks
    // at.
    const int spare =
        options_.model.delivery == Delivery::accept ? std::max(0, counts.idle - 1) : counts.idle;
    header.spare.store(static_cast<std::uint32_t>(spare), relaxed);
    header.held.store(held_.size(), relaxed);
    header.heartbeat_ns.store(static_cast<std::uint64_t>(now.time_since_epoch().count()), relaxed);
    constexpr std::chrono::seconds sampling{1};
    if (now - sampled_ < sampling) return;
    sampled_ = now;
    header.log_lines_dropped.store(log_lines_dropped(), relaxed);
    for (std::size_t i = 0; i < listeners().size(); ++i) {
        const ListenQueue queue = listeners()[i].queue().value_or(ListenQueue{});
        header.listen_queues[i].length.store(queue.length, relaxed);
        header.listen_queues[i].limit.store(queue.limit, relaxed);
    }
}

// The orderly stop

void Pool::begin_stop(TimePoint now, TimePoint deadline) noexcept {
    if (phase_ != Phase::serving) {
        stop_deadline_ = std::min(stop_deadline_, deadline);
        return;
    }
    phase_ = Phase::emptying_backlog;
    stop_deadline_ = deadline;
    backlog_empty_since_ = now;
    scoreboard_.header().draining.store(1, relaxed);
    backlog_.stop_new_clients();
}

void Pool::continue_stop(TimePoint now) noexcept {
    if (phase_ == Phase::emptying_backlog) {
        if (backlog_.has_clients() || !held_.empty()) backlog_empty_since_ = now;
        if (now - backlog_empty_since_ >= options_.stop_settle || now >= stop_deadline_) {
            phase_ = Phase::retiring;
            backlog_.close();
        }
    }
    if (phase_ != Phase::retiring) return;
    if (now >= stop_deadline_) {  // Every turn: a burial may have brought something back.
        add(scoreboard_.header().lost[static_cast<std::size_t>(ExitReason::drain_limit)], held_.size());
        held_.clear();
        for (Slot& slot : slots_) {
            if (slot.pid == 0 || slot.ended_by_us == ExitReason::drain_limit) continue;
            slot.ended_by_us = ExitReason::drain_limit;
            ::kill(slot.pid, SIGKILL);
        }
        return;
    }
    if (!held_.empty() || options_.model.delivery == Delivery::fork) return;
    const auto retire_each = [this](std::uint32_t slot) { retire(slot); };
    starting_.for_each(retire_each);
    free_.for_each(retire_each);
    busy_.for_each(retire_each);
}

bool Pool::stopped() const noexcept {
    return phase_ == Phase::retiring && held_.empty() && vacant_.size() == static_cast<int>(slots());
}

// Clients

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
    slot.handed_at = now;
    scoreboard_.entry(number).handed.store(slot.handed, relaxed);
    add(scoreboard_.header().handoffs);
    free_.erase(number);
    busy_.insert(number);
    return true;
}

/// After a failure that only time can mend, the clients wait in the kernel.
bool Pool::pausing(TimePoint now) const noexcept {
    return backlog_.pausing(now) || (options_.model.delivery == Delivery::fork && now < start_again_);
}

bool Pool::has_room() const noexcept {
    switch (options_.model.delivery) {
        case Delivery::handoff: return !free_.empty();
        case Delivery::fork: return !vacant_.empty();
        case Delivery::accept: return false;
    }
    return false;
}

PoolCounts Pool::count() const noexcept {
    PoolCounts counts{.starting = starting_.size(), .draining = draining_.size()};
    switch (options_.model.delivery) {
        case Delivery::handoff:
            counts.idle = free_.size();
            counts.busy = busy_.size();
            break;
        case Delivery::fork:
            counts.idle = vacant_.size();
            counts.busy = busy_.size();
            break;
        case Delivery::accept:
            free_.for_each([&](std::uint32_t slot) {
                const ScoreboardRow& row = const_cast<Scoreboard&>(scoreboard_).row(slot);
                const bool busy =
                    row.begun.load(relaxed) > row.finished.load(relaxed) + row.lost.load(relaxed);
                ++(busy ? counts.busy : counts.idle);
            });
            break;
    }
    return counts;
}

}  // namespace bullpen
