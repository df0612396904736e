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
#include "core/process.hpp"

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

/// `texts` gets for each listener the text that it was opened from.
std::vector<Listener> open_all(const PoolOptions& options, std::vector<std::string>& texts) {
    std::vector<Listener> listeners;
    ListenOptions how = options.listen_options;
    if (options.model.form == Form::program)  // A read that fails after a while surprises most programs.
        how.slice = {};
    if (options.linger.count() > 0) {
        constexpr int unsent_max = 256 * 1024;  // Else each slow reader takes megabytes of the kernel's.
        how.slice = options.linger;
        how.unsent_max = unsent_max;
    }
    for (const std::string& text : options.listen)
        for (Listener& listener : open_listeners(text, how)) {
            listeners.push_back(std::move(listener));
            texts.push_back(text);
        }
    if (options.model.own_listeners) {
        for (Listener& listener : listeners) {
            if (listener.address().family() == AF_UNIX)
                throw std::invalid_argument{"model " + std::string{options.model.name} +
                                            " needs TCP listeners: " + listener.address().text() +
                                            " can't be shared by SO_REUSEPORT"};
            listener.share_port();
        }
    }
    return listeners;
}

}  // namespace

Pool::Pool(PoolOptions options, std::chrono::seconds drain_timeout)
    : options_{std::move(options)},
      drain_timeout_{drain_timeout},
      backlog_{options_.name, open_all(options_, listener_texts_), options_.accept_pause},
      admission_{options_.admission, listener_texts_},
      scoreboard_{static_cast<std::uint32_t>(limits_for(options_.model, options_.limits).workers_max)},
      accept_lock_{options_.model.locks_accept ? std::make_unique<AcceptLock>(options_.accept_lock)
                                               : nullptr},
      wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)},
      slots_(scoreboard_.slots()),
      vacant_{scoreboard_.slots()},
      starting_{scoreboard_.slots()},
      ready_{scoreboard_.slots()},
      idle_{scoreboard_.slots()},
      free_{scoreboard_.slots()},
      busy_{scoreboard_.slots()},
      ahead_{scoreboard_.slots()},
      draining_{scoreboard_.slots()} {
    options_.limits = limits_for(options_.model, options_.limits);
    if (!wake_) throw std::system_error{errno, std::generic_category(), "cannot create an eventfd"};
    for (std::uint32_t slot = 0; slot < slots(); ++slot)
        vacant_.insert(slot);
    for (const Listener& listener : listeners())
        listener_families_.push_back(listener.address().family());

    ScoreboardHeader& header = scoreboard_.header();
    const PoolLimits& limits = options_.limits;
    const bool fixed = limits.policy == SizingPolicy::fixed;
    const bool idles = !is(Delivery::fork);  // Else no worker lives without a client.
    header.spare_min = static_cast<std::uint32_t>(!idles || fixed ? 0 : limits.spare_min);
    header.spare_max = static_cast<std::uint32_t>(!idles ? 0 : fixed ? limits.workers_max : limits.spare_max);
    header.listeners = static_cast<std::uint32_t>(listeners().size());
    header.hands_off = !is(Delivery::accept);
    header.depth = static_cast<std::uint32_t>(depth());
    header.spare = static_cast<std::uint32_t>(limits.workers_start);
    header.heartbeat_ns = monotonic_ns();
}

Pool::~Pool() = default;
Pool::Pool(Pool&&) noexcept = default;

std::size_t Pool::descriptors_needed() const noexcept {
    constexpr std::size_t own = 3;  // The scoreboard, the eventfd and the parking lot.
    const std::size_t channel_ends = is(Delivery::handoff) ? 2 : 0;
    const std::size_t own_listeners = options_.model.own_listeners ? listeners().size() : 0;
    // What lies in a channel may have to be taken back; it holds no more (net.unix.max_dgram_qlen).
    constexpr std::uint64_t channel_holds = 16;
    const std::size_t in_hand = std::min(depth(), channel_holds);
    return listeners().size() + own + slots() * (channel_ends + own_listeners + in_hand);
}

std::size_t Pool::connections_of_a_process() const noexcept {
    const SlotRange process = process_of(0);
    return (process.end - process.first) * capacity();
}

// The verbs of a turn

void Pool::start(Events& events, std::vector<int> kept, TimePoint now) {
    kept_ = std::move(kept);
    wake_watch_.emplace(events.watch(wake_.get()));
    if (is(Delivery::accept)) {
        backlog_.accept_in_workers(options_.model.multiplexes);
    } else {
        backlog_.accept_in_master(events);
        lot_watch_.emplace(events.watch(lot_.fd()));
        descriptors_at_start_ = list_descriptors().size();
    }
    window_began_ = resized_ = sampled_ = saturated_since_ = now;
    history_.idle_low = options_.limits.workers_start;
    if (!is(Delivery::fork)) grow(options_.limits.workers_start, now);
}

/// By at least so many workers.
void Pool::grow(int workers, TimePoint now) {
    const int before = vacant_.size();
    while (before - vacant_.size() < workers && !vacant_.empty() && now >= start_again_)
        spawn(*vacant_.lowest(), std::nullopt, now);
}

bool Pool::prepare_to_wait() noexcept {
    wake_watch_->arm();
    if (!lot_.empty()) lot_watch_->arm();
    if (parks()) {  // As with `waiting` below: a count that is raised from here on wakes us.
        scoreboard_.header().asleep.store(1, std::memory_order_seq_cst);
        if (anything_returned() && !short_of_descriptors_) return false;
    }
    const bool may_accept = !crowded_ && !pausing(Clock::now());
    const bool queues = options_.queue_max > 0;  // Full, too: then who comes is refused.
    if (is(Delivery::handoff) && (idle_.empty() || crowded_)) {
        ask_for_wake_up();
        const bool competed_for = !waiting_.empty() || is_standing_still(Clock::now());
        if (idle_.empty() && may_accept && competed_for) backlog_.watch_for_first();
        return (idle_.empty() || crowded_) && (!queues || !may_accept || backlog_.watch());
    }
    if (queues || (has_room() && held_.empty())) return !may_accept || backlog_.watch();
    if (has_room()) return true;
    if (is(Delivery::accept)) {  // Somebody begins: then the pool may have to grow.
        const bool may_grow = phase_ == Phase::serving && !vacant_.empty();
        scoreboard_.header().waiting.store(may_grow && Clock::now() >= resized_ + options_.resize_interval,
                                           relaxed);
    }
    return true;
}

/// Whoever falls idle from here on sees the word and wakes us; who finished before is seen by this look.
void Pool::ask_for_wake_up() noexcept {
    scoreboard_.header().waiting.store(1, std::memory_order_seq_cst);
    note_progress(Clock::now());
}

TimePoint Pool::next_deadline() const noexcept {
    using std::chrono::milliseconds;
    constexpr milliseconds bound{1000};  // A worker can be killed between its count and its wake-up.
    constexpr milliseconds retry{10};    // A connection that no channel took, or a stop's next look.
    const TimePoint now = Clock::now();
    TimePoint deadline = now + bound;
    const auto no_later_than = [&](TimePoint time) { deadline = std::min(deadline, time); };

    if (idle_.empty() && parks() && !is_standing_still(now))
        no_later_than(moved_at_ + options_.standing_still);
    if (parks() && wanted_)
        no_later_than(now + options_.standing_still);  // What is given back then wakes nobody by itself.
    if (!ahead_.empty() && (!idle_.empty() || options_.queue_max > 0))
        no_later_than(now + options_.steal_after);
    if (!busy_.empty() || !draining_.empty()) no_later_than(now + options_.stuck_after / 2);
    if (phase_ != Phase::serving || (!held_.empty() && has_room())) no_later_than(now + retry);
    if (backlog_.pausing(now)) no_later_than(backlog_.pause_end());
    if (options_.queue_max > 0 && !waiting_.empty())
        no_later_than(now + std::max(retry, options_.queue_wait / 8));
    if (crowded_ || anything_returned())  // We are out of connections, or of descriptors.
        no_later_than(now + options_.accept_pause);
    if (start_again_ > now) no_later_than(start_again_);
    if (!is(Delivery::fork) && phase_ != Phase::retiring) {
        const PoolCounts counts = count();
        const int wanted = options_.limits.policy == SizingPolicy::fixed ? 1 : options_.limits.spare_min;
        const bool looking_on =
            is(Delivery::accept) && counts.busy > 0;  // Nobody tells when the last spare begins.
        if (!vacant_.empty() && (counts.starting + counts.idle < wanted || counts.idle == 0 || looking_on))
            no_later_than(std::max(resized_ + options_.resize_interval, start_again_));
    }
    return deadline;
}

bool Pool::bury(pid_t pid, int status, TimePoint now) {
    const auto found =
        std::find_if(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.pid == pid; });
    if (found == slots_.end()) return false;
    const SlotRange process = process_of(static_cast<std::uint32_t>(found - slots_.begin()));
    const ExitReason reason = reason_for(*found, status);
    bool was_ready = false;
    std::uint64_t lost = 0;
    for (std::uint32_t slot = process.first; slot < process.end; ++slot) {
        was_ready = was_ready || ready_.contains(slot);
        const std::uint64_t lost_before = slots_[slot].lost;
        if (options_.model.form == Form::program) note_program_end(slot, status);
        settle(slot, reason, now);
        lost += slots_[slot].lost - lost_before;
        make_vacant(slot);
    }
    add(scoreboard_.header().exits[static_cast<std::size_t>(reason)]);

    if (reason != ExitReason::retired) {
        log(LogLevel::warning, "worker " + options_.name + "/" + std::to_string(process.first) + " (pid " +
                                   std::to_string(pid) + ") " + describe(status) +
                                   (reason == ExitReason::start ? " before it was ready" : "") +
                                   (lost > 0 ? "; connections lost: " + std::to_string(lost) : ""));
    }
    if (reason == ExitReason::start) {
        // Once a pause: workers that were started together die together.
        if (now >= start_again_)
            start_again_ = now + std::chrono::milliseconds{start_pause_ms(++start_deaths_)};
    } else if ((was_ready || reason == ExitReason::request_limit) && phase_ == Phase::serving &&
               !is(Delivery::fork)) {
        spawn(process.first, std::nullopt, now);  // Outside the ramp: it is no growth.
    }
    return true;
}

void Pool::note_progress(TimePoint now) noexcept {
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
        ready_.insert(slot);
        reclassify(slot);
        set_stage(slot, Stage::ready);
        start_deaths_ = 0;
        start_again_ = {};
    });
    if (is(Delivery::fork)) return;
    if (parks()) draining_.for_each([&](std::uint32_t slot) { note_returned(slot, now); });
    if (is(Delivery::handoff)) busy_.for_each([&](std::uint32_t slot) { note_settled(slot, now); });
    if (!idle_.empty() && !crowded_ && header.waiting.load(relaxed) != 0) header.waiting.store(0, relaxed);
}

/// Who gives a connection back names it; those that have ended are told by their order. So what was given
/// back before has to be known first, and what was counted after that look waits for the next.
void Pool::note_settled(std::uint32_t number, TimePoint now) noexcept {
    const std::uint64_t finished = scoreboard_.row(number).finished.load(std::memory_order_seq_cst);
    if (!parks() || note_returned(number, now)) note_finished(number, finished, now);
}

/// Compares what the slot was handed with what its row says is finished.
void Pool::note_finished(std::uint32_t number, std::uint64_t finished, TimePoint now) noexcept {
    Slot& slot = slots_[number];
    const ScoreboardRow& row = scoreboard_.row(number);
    if (slot.ended_by_us) return;
    if (slot.stuck && row.answers.load(std::memory_order_seq_cst) == slot.questions)
        slot.stuck = false;
    else if (finished == slot.finished)
        return;
    if (finished - slot.finished > slot.outstanding()) {
        replace(number, "its row counts more finished connections than it was handed");
        return;
    }
    end_given(slot, finished - slot.finished);
    slot.finished = finished;
    slot.moved_at = moved_at_ = now;
    reclassify(number);
}

void Pool::relieve_stuck_workers(TimePoint now) noexcept {
    if (is(Delivery::accept)) draining_.for_each([&](std::uint32_t slot) { remind(slot, now); });
    if (!is(Delivery::handoff)) return;
    const auto relieve = [&](std::uint32_t number) {
        Slot& slot = slots_[number];
        if (slot.stuck || slot.outstanding() == 0 || now - slot.moved_at < options_.stuck_after) return;
        // Only a hint: whether the worker has received all is decided by the channel.
        const std::uint64_t serves =
            scoreboard_.row(number).begun.load(relaxed) - slot.finished - slot.returned - slot.lost;
        if (serves >= std::min(slot.outstanding(), capacity())) return;
        const std::uint64_t handed = slot.handed;
        take_back_queued(slot);
        if (slot.handed == handed) return;
        scoreboard_.entry(number).handed.store(slot.handed, relaxed);
        log(LogLevel::warning, "worker " + options_.name + "/" + std::to_string(number) + " (pid " +
                                   std::to_string(slot.pid) + ") is stuck; its client goes to another");
        slot.stuck = true;
        ++slot.questions;
        if (ready_.contains(number)) reclassify(number);
        // What was taken back with the client may have been the order to retire.
        const MessageKind kind = draining_.contains(number) ? MessageKind::retire : MessageKind::answer;
        send_message(slot.channel.master.get(), {.kind = kind, .generation = slot.generation}, {});
    };
    busy_.for_each(relieve);
    draining_.for_each(relieve);
}

void Pool::hand_out_clients(TimePoint now) {
    while (has_room() && !(is(Delivery::fork) && now < start_again_)) {
        const auto slot = is(Delivery::fork) ? vacant_.lowest() : slot_for_next(now);
        if (!slot) break;
        std::optional<HeldClient> client = next_client(now);
        if (!client) break;
        if (is(Delivery::fork)) {
            spawn(*slot, std::move(client), now);
        } else if (!hand_off(*slot, *client, now)) {
            held_.push_front(std::move(*client));
            break;
        }
    }
    steal_queued(now);
    fill_queue(now);
    wanted_ = idle_.empty() && (!held_.empty() || !waiting_.empty() || backlog_.is_known_to_wait());
    scoreboard_.header().wanted.store(wanted_ ? 1 : 0, relaxed);
    history_.idle_low = std::min(history_.idle_low, count().idle);
}

void Pool::resize(TimePoint now) {
    if (is(Delivery::fork) || now < start_again_) return;
    if (phase_ == Phase::retiring) {
        // Taken back from a worker that died at the very end: somebody must still serve it.
        const bool in_time = now < stop_deadline_;
        const bool wanted = !held_.empty() || !waiting_.empty();
        if (in_time && wanted && free_.empty() && starting_.empty() && !vacant_.empty())
            spawn(*vacant_.lowest(), std::nullopt, now);
        return;
    }
    history_.window_ended = now - window_began_ >= options_.shrink_window;
    if (!history_.window_ended && now - resized_ < options_.resize_interval) return;
    if (history_.window_ended) window_began_ = now;
    resized_ = now;

    if (sizes_itself()) {
        if (!vacant_.empty()) spawn(*vacant_.lowest(), std::nullopt, now);
        return;
    }
    PoolCounts counts = count();
    counts.waiting = static_cast<int>(held_.size() + waiting_.size()) +
                     (counts.idle == 0 ? ahead_.size() + backlog_.length() : 0);
    if (phase_ == Phase::emptying_backlog && counts.waiting == 0) return;
    const Resize plan = plan_resize(counts, options_.limits, history_);
    history_ = plan.next;
    announce(plan, counts);
    grow(plan.spawn, now);
    retire_idle(plan.retire);
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
    const bool full_size = sizes_itself() ? counts.busy == static_cast<int>(slots()) : vacant_.empty();
    const bool saturated =
        full_size && starting_.empty() && (is(Delivery::fork) ? vacant_.empty() : counts.idle == 0);
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
    const int spare = is(Delivery::accept) ? std::max(0, counts.idle - 1) : counts.idle;
    header.spare.store(static_cast<std::uint32_t>(spare), relaxed);
    header.held.store(held_.size() + waiting_.size(), relaxed);
    header.parked.store(lot_.size(), relaxed);
    header.heartbeat_ns.store(static_cast<std::uint64_t>(now.time_since_epoch().count()), relaxed);
    constexpr std::chrono::seconds sampling{1};
    if (now - sampled_ < sampling) return;
    sampled_ = now;
    admission_.sweep(now);
    header.log_lines_dropped.store(log_lines_dropped(), relaxed);
    for (std::size_t i = 0; i < listeners().size(); ++i) {
        const ListenQueue queue = queue_of(i);
        header.listen_queues[i].length.store(queue.length, relaxed);
        header.listen_queues[i].limit.store(queue.limit, relaxed);
    }
}

}  // namespace bullpen
