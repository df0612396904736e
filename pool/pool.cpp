#include "pool/pool.hpp"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/log.hpp"
#include "core/process.hpp"
#include "pool/worker.hpp"

namespace bullpen {

/// A worker's place. It outlives the workers that occupy it, and its channel with it.
struct Pool::Slot {
    pid_t pid = 0;  ///< 0: vacant.
    std::uint32_t generation = 0;
    ChannelEnds channel;         ///< Both ends: what was handed off survives its receiver.
    std::uint64_t handed = 0;    ///< Given to it and not taken back, over the slot's life.
    std::uint64_t finished = 0;  ///< Of those, ended in the worker: the last believable value of its row.
    std::uint64_t lost = 0;      ///< Of those, ended by a worker's death.
    std::optional<ExitReason> ended_by_us;
    TimePoint handed_at{};        ///< The last one.
    std::uint32_t questions = 0;  ///< Asked over the slot's life: is anybody there?
    bool stuck = false;           ///< The last question is not answered yet.
    std::array<std::byte, sizeof(ScoreboardRow)> row_at_spawn;  ///< To undo what a broken worker writes.

    [[nodiscard]] std::uint64_t outstanding() const noexcept { return handed - finished - lost; }
};

struct Pool::ListenerState {
    Events::Watch watch;
    unsigned known_waiting = 0;  ///< At least so many clients are in the backlog: only we take from it.
    bool crowded = false;        ///< There were several at the last look: ask how many before accepting.
    unsigned calm_turns = 0;     ///< Since we last asked,
    unsigned ask_after = 16;     ///< and how many there shall be before we ask again.
};

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

}  // namespace

Pool::Pool(PoolOptions options, std::chrono::seconds drain_timeout)
    : options_{std::move(options)},
      drain_timeout_{drain_timeout},
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
    for (const std::string& text : options_.listen)
        for (Listener& listener : open_listeners(text, options_.listen_options))
            listeners_.push_back(std::move(listener));
    if (listeners_.empty() || listeners_.size() > listeners_max)
        throw std::runtime_error{"pool '" + options_.name + "' has " + std::to_string(listeners_.size()) +
                                 " listeners; 1 to " + std::to_string(listeners_max) + " are possible"};
    for (std::uint32_t slot = 0; slot < slots(); ++slot)
        vacant_.insert(slot);

    ScoreboardHeader& header = scoreboard_.header();
    const PoolLimits& limits = options_.limits;
    const bool fixed = limits.policy == SizingPolicy::fixed;
    const bool idles = options_.model.delivery != Delivery::fork;  // Else no worker lives without a client.
    header.spare_min = static_cast<std::uint32_t>(!idles || fixed ? 0 : limits.spare_min);
    header.spare_max = static_cast<std::uint32_t>(!idles ? 0 : fixed ? limits.workers_max : limits.spare_max);
    header.listeners = static_cast<std::uint32_t>(listeners_.size());
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
    return listeners_.size() + own + slots() * (channel_ends + in_hand);
}

// ---- The verbs of a turn
// -------------------------------------------------------------------------------------------

void Pool::start(Events& events, std::vector<int> kept, TimePoint now) {
    events_ = &events;
    kept_ = std::move(kept);
    wake_watch_.emplace(events.watch(wake_.get()));
    const bool accepts = options_.model.delivery != Delivery::accept;
    for (Listener& listener : listeners_) {
        listener.set_nonblocking(accepts || listeners_.size() > 1);
        if (accepts) listener_states_.push_back({events.watch(listener.fd())});
    }
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
        bool clients_known = false;
        for (ListenerState& state : listener_states_) {
            if (state.known_waiting > 0)
                clients_known = true;
            else
                state.watch.arm();
        }
        return !clients_known;
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
    if (accept_again_ > now) no_later_than(accept_again_);
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
    counts.waiting = static_cast<int>(held_.size()) + (counts.idle == 0 ? kernel_queue_length() : 0);
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
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        const ListenQueue queue = listeners_[i].queue().value_or(ListenQueue{});
        header.listen_queues[i].length.store(queue.length, relaxed);
        header.listen_queues[i].limit.store(queue.limit, relaxed);
    }
}

// ---- The orderly stop
// ----------------------------------------------------------------------------------------------

void Pool::begin_stop(TimePoint now, TimePoint deadline) noexcept {
    if (phase_ != Phase::serving) {
        stop_deadline_ = std::min(stop_deadline_, deadline);
        return;
    }
    phase_ = Phase::emptying_backlog;
    stop_deadline_ = deadline;
    backlog_empty_since_ = now;
    scoreboard_.header().draining.store(1, relaxed);
    for (Listener& listener : listeners_)
        listener.stop_new_clients();
}

void Pool::continue_stop(TimePoint now) noexcept {
    if (phase_ == Phase::emptying_backlog) {
        const bool waiting = std::any_of(listeners_.begin(), listeners_.end(),
                                         [](const Listener& listener) { return listener.has_clients(); });
        if (waiting || !held_.empty()) backlog_empty_since_ = now;
        if (now - backlog_empty_since_ >= options_.stop_settle || now >= stop_deadline_) {
            phase_ = Phase::retiring;
            listener_states_.clear();
            listeners_.clear();
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

// ---- Workers
// -------------------------------------------------------------------------------------------------------

void Pool::spawn(std::uint32_t number, std::optional<Envelope> client, TimePoint now) {
    if (now < start_again_) {
        if (client) held_.push_front(std::move(*client));
        return;
    }
    Slot& slot = slots_[number];
    ScoreboardRow& row = scoreboard_.row(number);
    ++slot.generation;
    std::memcpy(slot.row_at_spawn.data(), static_cast<const void*>(&row), slot.row_at_spawn.size());
    row.activity.store(static_cast<std::uint32_t>(Activity::starting), relaxed);
    row.begun_at_ns.store(0, relaxed);
    scoreboard_.entry(number).generation.store(slot.generation, relaxed);
    const pid_t master = ::getpid();
    std::optional<pid_t> pid;
    try {
        if (options_.model.delivery == Delivery::handoff && !slot.channel.master)
            slot.channel = make_channel();
        pid = spawn_child([&] { return become_worker(number, master, std::move(client)); });
    } catch (const std::system_error&) {  // Out of descriptors: weather, as a failed fork is.
    }
    if (!pid) {
        start_again_ = now + std::chrono::milliseconds{start_pause_ms(++start_deaths_)};
        log(LogLevel::error, "pool " + options_.name + ": cannot start a worker: " + std::strerror(errno));
        if (client) held_.push_front(std::move(*client));
        return;
    }
    slot.pid = *pid;
    slot.ended_by_us.reset();
    slot.stuck = false;
    slot.questions = row.answers.load(relaxed);
    vacant_.erase(number);
    add(scoreboard_.header().spawns);
    if (client) {
        ++slot.handed;
        scoreboard_.entry(number).handed.store(slot.handed, relaxed);
        busy_.insert(number);
        set_stage(number, Stage::ready);
        start_deaths_ = 0;
    } else {
        starting_.insert(number);
        set_stage(number, Stage::starting);
    }
}

/// In the new process. Closes first of all whatever is not the worker's: a channel or a listener kept by
/// mistake would stay open for everybody.
int Pool::become_worker(std::uint32_t number, pid_t master, std::optional<Envelope> client) {
    Slot& slot = slots_[number];
    std::vector<int> kept = kept_;
    kept.push_back(wake_.get());
    kept.push_back(scoreboard_.fd());
    if (client) kept.push_back(client->descriptors[0].get());
    if (options_.model.delivery == Delivery::handoff) kept.push_back(slot.channel.worker.get());
    if (options_.model.delivery == Delivery::accept)
        for (const Listener& listener : listeners_)
            kept.push_back(listener.fd());
    close_all_except(kept);
    set_process_title("bullpen: worker [" + options_.name + "/" + std::to_string(number) + "]");
    scoreboard_.keep_only(number);

    const WorkerSeat seat{
        .slot = number,
        .generation = slot.generation,
        .master = master,
        .channel = options_.model.delivery == Delivery::handoff ? slot.channel.worker.get() : -1,
        .wake = wake_.get(),
        .listeners = listeners_,
        .batch = options_.batch_workers && options_.model.delivery == Delivery::handoff,
        .accepts = options_.model.delivery == Delivery::accept,
        .drain_timeout = drain_timeout_,
    };
    Worker worker{seat, scoreboard_, options_.handler};
    if (client) worker.set_forked_for(std::move(*client));
    options_.model.work(worker);
    return worker_exit_retired;
}

/// Accounts for everything the dead worker was given: finished (its row says so), taken back, or lost.
void Pool::settle(std::uint32_t number, ExitReason reason) noexcept {
    Slot& slot = slots_[number];
    ScoreboardRow& row = scoreboard_.row(number);
    take_back_queued(slot);

    // A worker that died between counting the outcome and raising `finished` had finished. Only its row knows
    // what a worker accepted by itself; that is believed as far as it had at most one connection in hand.
    const bool accepts = options_.model.delivery == Delivery::accept;
    const std::uint64_t handed = accepts ? row.accepted.load(relaxed) : slot.handed;
    const std::uint64_t given = handed - slot.finished - slot.lost;
    const std::uint64_t ended = outcomes(row) - slot.finished;
    if (ended <= given && (!accepts || given - ended <= 1)) {
        slot.handed = handed;
        slot.finished += ended;
    } else {
        log(LogLevel::error, "worker " + options_.name + "/" + std::to_string(number) +
                                 " left impossible counts in its row; they are put right");
        std::memcpy(static_cast<void*>(&row), slot.row_at_spawn.data(), slot.row_at_spawn.size());
        add(row.completed, slot.finished - outcomes(row));
    }
    scoreboard_.entry(number).handed.store(slot.handed, relaxed);
    const std::uint64_t lost = slot.outstanding();
    slot.lost += lost;
    add(scoreboard_.header().lost[static_cast<std::size_t>(reason)], lost);
    row.finished.store(slot.finished, relaxed);
    row.lost.store(slot.lost, relaxed);
    row.begun.store(slot.finished + slot.lost, relaxed);
    row.begun_at_ns.store(0, relaxed);
}

/// The master holds the channel's other end too, so what a worker has not received still lies there; the
/// kernel gives each message to exactly one receiver.
void Pool::take_back_queued(Slot& slot) noexcept {
    if (!slot.channel.worker) return;
    bool broken = false;
    for (;;) {
        Envelope envelope;
        const Received received = receive_message(slot.channel.worker.get(), envelope, Wait::never);
        broken = broken || received == Received::closed;
        if (received == Received::empty || received == Received::closed) break;
        if (received == Received::truncated) {  // We are out of descriptors ourselves.
            --slot.handed;
            add(scoreboard_.header().lost[static_cast<std::size_t>(ExitReason::descriptors)]);
        }
        if (received != Received::message || !envelope.descriptors[0]) continue;
        --slot.handed;
        add(scoreboard_.header().recovered);
        held_.push_back(std::move(envelope));
    }
    for (;;) {  // What the worker sent: its descriptors are closed by the envelope.
        Envelope envelope;
        const Received received = receive_message(slot.channel.master.get(), envelope, Wait::never);
        broken = broken || received == Received::closed;
        if (received == Received::empty || received == Received::closed) break;
    }
    if (broken) slot.channel = {};  // Somebody has shut it down; the next worker gets a new one.
}

void Pool::retire(std::uint32_t number) noexcept {
    Slot& slot = slots_[number];
    slot.ended_by_us = ExitReason::retired;
    bool told = false;
    if (options_.model.delivery == Delivery::handoff) {
        const Message order{.kind = MessageKind::retire, .generation = slot.generation};
        told = send_message(slot.channel.master.get(), order, {}) == Sent::sent;
    }
    if (!told) ::kill(slot.pid, SIGTERM);
    starting_.erase(number);
    free_.erase(number);
    busy_.erase(number);
    draining_.insert(number);
    set_stage(number, Stage::draining);
}

void Pool::replace(std::uint32_t number, const char* why) noexcept {
    Slot& slot = slots_[number];
    log(LogLevel::error, "worker " + options_.name + "/" + std::to_string(number) + " is replaced: " + why);
    slot.ended_by_us = ExitReason::replaced;
    ::kill(slot.pid, SIGKILL);
    free_.erase(number);
    busy_.insert(number);  // Until its burial nothing more is handed to it; then the slot is refilled.
}

void Pool::make_vacant(std::uint32_t number) noexcept {
    slots_[number].pid = 0;
    starting_.erase(number);
    free_.erase(number);
    busy_.erase(number);
    draining_.erase(number);
    vacant_.insert(number);
    set_stage(number, Stage::vacant);
}

void Pool::set_stage(std::uint32_t number, Stage stage) noexcept {
    scoreboard_.entry(number).stage.store(static_cast<std::uint32_t>(stage), relaxed);
}

ExitReason Pool::reason_for(const Slot& slot, int status) const noexcept {
    const auto number = static_cast<std::uint32_t>(&slot - slots_.data());
    if (slot.ended_by_us && *slot.ended_by_us != ExitReason::retired) return *slot.ended_by_us;
    if (WIFSIGNALED(status)) return starting_.contains(number) ? ExitReason::start : ExitReason::signalled;
    if (WEXITSTATUS(status) == worker_exit_descriptors) return ExitReason::descriptors;
    const bool in_order =
        slot.ended_by_us || phase_ != Phase::serving || options_.model.delivery == Delivery::fork;
    if (in_order && WEXITSTATUS(status) == worker_exit_retired) return ExitReason::retired;
    return starting_.contains(number) ? ExitReason::start : ExitReason::exited;
}

// ---- Clients
// -------------------------------------------------------------------------------------------------------

std::optional<Envelope> Pool::next_client() noexcept {
    if (!held_.empty()) {
        Envelope client = std::move(held_.front());
        held_.pop_front();
        return client;
    }
    for (std::size_t i = 0; i < listener_states_.size(); ++i) {
        ListenerState& state = listener_states_[i];
        if (state.known_waiting == 0 && state.watch.ready()) {
            state.watch.clear_ready();
            state.known_waiting = 1;
            if (state.crowded || ++state.calm_turns >= state.ask_after) look_at_queue(i);
        }
        if (state.known_waiting == 0) continue;
        if (std::optional<Envelope> client = accept_from(i)) return client;
    }
    return {};
}

/// To learn how many clients wait costs a system call, which pays when they are several: then the wait and
/// its re-arming are shared among them. Whether it has become so is tried now and then, ever more seldom.
void Pool::look_at_queue(std::size_t index) noexcept {
    constexpr unsigned often = 16;
    constexpr unsigned seldom = 1024;
    ListenerState& state = listener_states_[index];
    const std::optional<ListenQueue> queue = listeners_[index].queue();
    if (queue) state.known_waiting = std::max(1U, queue->length);
    state.crowded = state.known_waiting > 1;
    state.calm_turns = 0;
    state.ask_after = state.crowded ? often : std::min(state.ask_after * 2, seldom);
}

std::optional<Envelope> Pool::accept_from(std::size_t index) noexcept {
    ListenerState& state = listener_states_[index];
    for (;;) {
        const int fd = ::accept4(listeners_[index].fd(), nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0) {
            --state.known_waiting;
            add(scoreboard_.header().accepted);
            Envelope client;
            client.message.accepted_ns = monotonic_ns();
            client.message.listener = index;
            client.descriptors[0] = UniqueFd{fd};
            return client;
        }
        switch (errno) {
            case EINTR: continue;
            case EAGAIN: state.known_waiting = 0; return {};
            case ECONNABORTED:  // A client that left the backlog, and its kin, see accept(2).
            case ECONNRESET:
            case EPROTO:
            case ETIMEDOUT:
            case ENETDOWN:
            case ENETUNREACH:
            case EHOSTDOWN:
            case EHOSTUNREACH:
                if (--state.known_waiting == 0) return {};
                continue;
            default: pause_accepting(errno); return {};
        }
    }
}

/// Out of descriptors or memory, or forbidden: only time can mend that, and trying on would only burn CPU.
void Pool::pause_accepting(int error) noexcept {
    const TimePoint now = Clock::now();
    accept_again_ = now + options_.accept_pause;
    constexpr std::chrono::seconds between_warnings{1};
    if (now - warned_accept_ < between_warnings) return;
    warned_accept_ = now;
    log(LogLevel::warning, "pool " + options_.name + ": cannot accept: " + std::strerror(error));
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
    return now < accept_again_ || (options_.model.delivery == Delivery::fork && now < start_again_);
}

bool Pool::has_room() const noexcept {
    switch (options_.model.delivery) {
        case Delivery::handoff: return !free_.empty();
        case Delivery::fork: return !vacant_.empty();
        case Delivery::accept: return false;
    }
    return false;
}

int Pool::kernel_queue_length() const noexcept {
    unsigned length = 0;
    for (const Listener& listener : listeners_)
        length += listener.queue().value_or(ListenQueue{}).length;
    return static_cast<int>(length);
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
