/// Of a Pool, how its workers are born, told to leave, and accounted for when they have died.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/log.hpp"
#include "core/process.hpp"
#include "pool/pool.hpp"
#include "pool/worker_process.hpp"

namespace bullpen {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

}  // namespace

void Pool::spawn(std::uint32_t number, std::optional<HeldClient> client, TimePoint now) {
    const SlotRange process = process_of(number);
    std::optional<pid_t> pid;
    if (now >= start_again_) {
        try {
            for (std::uint32_t slot = process.first; slot < process.end; ++slot)
                prepare(slot);
            pid = start_process(process, client);
        } catch (const std::system_error&) {  // Out of descriptors: weather, as a failed fork is.
        }
        if (!pid) {
            start_again_ = now + std::chrono::milliseconds{start_pause_ms(++start_deaths_)};
            log(LogLevel::error,
                "pool " + options_.name + ": cannot start a worker: " + std::strerror(errno));
        }
    }
    if (!pid) {
        if (client) held_.push_front(std::move(*client));
        return;
    }
    add(scoreboard_.header().spawns);
    for (std::uint32_t slot = process.first; slot < process.end; ++slot)
        occupy(slot, *pid, client);
    if (client) start_deaths_ = 0;
}

/// What a slot must have before its worker is born, and what its row shall say.
void Pool::prepare(std::uint32_t number) {
    Slot& slot = slots_[number];
    ScoreboardRow& row = scoreboard_.row(number);
    if (is(Delivery::handoff) && !slot.channel.master) slot.channel = make_channel();
    if (options_.model.own_listeners && number > 0 && slot.listeners.empty())
        for (const Listener& listener : listeners())
            slot.listeners.push_back(listener.open_sibling(options_.listen_options));
    ++slot.generation;
    std::memcpy(slot.row_at_spawn.data(), static_cast<const void*>(&row), slot.row_at_spawn.size());
    row.activity.store(static_cast<std::uint32_t>(sizes_itself() ? Activity::absent : Activity::starting),
                       relaxed);
    row.begun_at_ns.store(0, relaxed);
    scoreboard_.entry(number).generation.store(slot.generation, relaxed);
}

std::optional<pid_t> Pool::start_process(SlotRange process, std::optional<HeldClient>& client) {
    if (options_.model.form == Form::program && client) return start_program(process.first, *client);
    const pid_t master = ::getpid();
    return spawn_child([&] { return become_worker(process, master, std::move(client)); });
}

/// It can't write its row, so the master does: nobody else occupies it.
std::optional<pid_t> Pool::start_program(std::uint32_t number, const HeldClient& client) {
    const std::optional<pid_t> pid = spawn_program(options_.program, client.socket());
    if (!pid) return {};
    ScoreboardRow& row = scoreboard_.row(number);
    const std::uint64_t begun_ns = monotonic_ns();
    add(row.begun);
    row.begun_at_ns.store(begun_ns, relaxed);
    row.note.begun_ns.store(begun_ns, relaxed);
    row.activity.store(static_cast<std::uint32_t>(Activity::busy), relaxed);
    row.queue_wait.record(begun_ns - std::min(begun_ns, client.envelope.message.since_ns));
    return pid;
}

void Pool::note_program_end(std::uint32_t number, int status) noexcept {
    ScoreboardRow& row = scoreboard_.row(number);
    if (!WIFEXITED(status)) return;  // Lost.
    const std::uint64_t served_ns = monotonic_ns() - row.begun_at_ns.load(relaxed);
    row.service.record(served_ns);
    add(row.busy_ns, served_ns);
    add(WEXITSTATUS(status) == 0 ? row.completed : row.failed);
}

void Pool::occupy(std::uint32_t number, pid_t pid, const std::optional<HeldClient>& client) noexcept {
    Slot& slot = slots_[number];
    slot.pid = pid;
    slot.ended_by_us.reset();
    slot.stuck = false;
    slot.questions = scoreboard_.row(number).answers.load(relaxed);
    vacant_.erase(number);
    if (client) {
        ++slot.handed;
        slot.given.push_back({++slot.number, client->account});
        scoreboard_.entry(number).handed.store(slot.handed, relaxed);
        ready_.insert(number);
        reclassify(number);
        set_stage(number, Stage::ready);
    } else {
        starting_.insert(number);
        set_stage(number, Stage::starting);
    }
}

/// In the new process. Closes first of all whatever is not the worker's: a channel or a listener kept by
/// mistake would stay open for everybody.
int Pool::become_worker(SlotRange process, pid_t master, std::optional<HeldClient> client) {
    const WorkerSeat seat = seat_for(process, master);
    std::vector<int> kept = kept_;
    kept.push_back(wake_.get());
    kept.push_back(scoreboard_.fd());
    if (client) kept.push_back(client->socket());
    kept.insert(kept.end(), seat.channels.begin(), seat.channels.end());
    if (is(Delivery::accept))
        for (const Listener& listener : seat.listeners)
            kept.push_back(listener.fd());
    if (accept_lock_ && accept_lock_->fd() >= 0) kept.push_back(accept_lock_->fd());
    close_all_except(kept);
    set_process_title("bullpen: worker [" + options_.name + "/" + std::to_string(process.first) + "]");
    scoreboard_.keep_only(process.first, process.end - process.first);

    WorkerProcess worker{seat, scoreboard_, options_.handler, options_.async_handler};
    if (client) worker.set_forked_for(std::move(client->envelope));
    options_.model.work(worker);
    return worker_exit_retired;
}

WorkerSeat Pool::seat_for(SlotRange process, pid_t master) const {
    const std::vector<Listener>& own = slots_[process.first].listeners;
    WorkerSeat seat{
        .first_slot = process.first,
        .slots = process.end - process.first,
        .generation = slots_[process.first].generation,
        .master = master,
        .wake = wake_.get(),
        .listeners = own.empty() ? listeners() : own,
        .delivery = options_.model.delivery,
        .owns_listeners = options_.model.own_listeners,
        .accept_lock = accept_lock_.get(),
        .limits = options_.limits,
        .resize_interval = options_.resize_interval,
        .shrink_window = options_.shrink_window,
        .capacity = static_cast<int>(capacity()),
        .batch = options_.batch_workers && !is(Delivery::fork),
        .parks = parks(),
        .slice = options_.linger.count() > 0 ? options_.linger : options_.listen_options.slice,
        .time_limits = options_.time_limits,
        .drain_timeout = drain_timeout_,
        .stop_patience = options_.stop_patience,
    };
    if (is(Delivery::handoff))
        for (std::uint32_t slot = process.first; slot < process.end; ++slot)
            seat.channels.push_back(slots_[slot].channel.worker.get());
    return seat;
}

/// Accounts for everything the dead worker was given: finished (its row says so), taken back, or lost.
void Pool::settle(std::uint32_t number, ExitReason reason, TimePoint now) noexcept {
    Slot& slot = slots_[number];
    ScoreboardRow& row = scoreboard_.row(number);
    const bool can_send = take_back_queued(slot);
    const bool can_receive = take_last_returned(slot, now);
    if (!can_send || !can_receive) slot.channel = {};  // The next worker gets a new one.

    // A worker that died between counting the outcome and raising `finished` had finished. Only its row knows
    // what a worker accepted by itself; that is believed as far as it had no more in hand than it may.
    const bool accepts = is(Delivery::accept);
    const std::uint64_t handed = accepts ? row.accepted.load(relaxed) : slot.handed;
    const std::uint64_t given = handed - slot.finished - slot.returned - slot.lost;
    const std::uint64_t ended = outcomes(row) - slot.finished;
    if (ended <= given && (!accepts || given - ended <= capacity())) {
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
    end_given(slot, slot.given.size());
    add(scoreboard_.header().lost[static_cast<std::size_t>(reason)], lost);
    row.finished.store(slot.finished, relaxed);
    row.returned.store(slot.returned, relaxed);
    row.lost.store(slot.lost, relaxed);
    row.begun.store(slot.finished + slot.returned + slot.lost, relaxed);
    row.begun_at_ns.store(0, relaxed);
    row.note.begun_ns.store(0, relaxed);
}

/// The master holds the channel's other end too, so what a worker has not received still lies there; the
/// kernel gives each message to exactly one receiver. False: somebody has shut the channel down.
bool Pool::take_back_queued(Slot& slot) noexcept {
    if (!slot.channel.worker) return true;
    Received taken = Received::message;
    while (taken == Received::message)
        taken = take_back_one(slot);
    return taken != Received::closed;
}

/// A connection (message), or that none is left. What else lies there, orders of ours, goes too.
Received Pool::take_back_one(Slot& slot) noexcept {
    for (;;) {
        HeldClient client;
        const Received received = receive_message(slot.channel.worker.get(), client.envelope, Wait::never);
        if (received == Received::empty || received == Received::closed) return received;
        if (received == Received::truncated) {  // We are out of descriptors ourselves.
            --slot.handed;
            add(scoreboard_.header().lost[static_cast<std::size_t>(ExitReason::descriptors)]);
        }
        if (received != Received::message || !client.envelope.descriptors[0]) continue;
        --slot.handed;
        client.account = settle_given(slot, client.envelope.message.number).value_or(Account{});
        add(scoreboard_.header().recovered);
        held_.push_back(std::move(client));
        return received;
    }
}

/// What a worker gave back before it died is as good as any: each message is whole. False: the channel has
/// been shut down.
bool Pool::take_last_returned(Slot& slot, TimePoint now) noexcept {
    if (!slot.channel.master) return true;
    while (slot.outstanding() > 0 && take_returned(slot, now))
        continue;
    for (;;) {  // What else it sent: the descriptors are closed by the envelope.
        Envelope envelope;
        const Received received = receive_message(slot.channel.master.get(), envelope, Wait::never);
        if (received == Received::empty || received == Received::closed) return received == Received::empty;
    }
}

/// The slot's whole process.
void Pool::retire(std::uint32_t number) noexcept {
    if (draining_.contains(number)) return;
    const SlotRange process = process_of(number);
    bool told = is(Delivery::handoff);
    for (std::uint32_t slot = process.first; slot < process.end; ++slot) {
        slots_[slot].ended_by_us = ExitReason::retired;
        if (is(Delivery::handoff)) {
            const Message order{.kind = MessageKind::retire, .generation = slots_[slot].generation};
            told = send_message(slots_[slot].channel.master.get(), order, {}) == Sent::sent && told;
        }
        for (Listener& listener : slots_[slot].listeners)
            listener.stop_as_sibling();
        starting_.erase(slot);
        ready_.erase(slot);
        forget(slot);
        draining_.insert(slot);
        set_stage(slot, Stage::draining);
    }
    // Who owns a listener first lets the handshakes come to their end: see remind().
    slots_[process.first].told_at = Clock::now();
    if (!told && (!options_.model.own_listeners || phase_ != Phase::serving))
        ::kill(slots_[process.first].pid, SIGTERM);
}

/// A worker that blocks in accept may have missed the signal: it came just before.
void Pool::remind(std::uint32_t number, TimePoint now) noexcept {
    Slot& slot = slots_[number];
    if (number != process_of(number).first || is_busy(number) || now - slot.told_at < options_.stop_settle)
        return;
    slot.told_at = now;
    ::kill(slot.pid, SIGTERM);
}

/// The highest that are idle with their whole process; of it no more than so many workers.
void Pool::retire_idle(int workers) noexcept {
    for (std::uint32_t end = slots(); end > 0 && workers > 0;) {
        const SlotRange process = process_of(end - 1);
        end = process.first;
        const int size = static_cast<int>(process.end - process.first);
        bool idle = size <= workers;
        for (std::uint32_t slot = process.first; slot < process.end; ++slot)
            idle = idle && ready_.contains(slot) && !is_busy(slot);
        if (!idle) continue;
        retire(process.first);
        workers -= size;
    }
}

bool Pool::is_busy(std::uint32_t number) const noexcept {
    if (is(Delivery::handoff)) return busy_.contains(number);
    const ScoreboardRow& row = scoreboard_.row(number);
    return row.begun.load(relaxed) !=
           row.finished.load(relaxed) + row.returned.load(relaxed) + row.lost.load(relaxed);
}

void Pool::replace(std::uint32_t number, const char* why) noexcept {
    log(LogLevel::error, "worker " + options_.name + "/" + std::to_string(number) + " is replaced: " + why);
    const SlotRange process = process_of(number);
    ::kill(slots_[number].pid, SIGKILL);
    for (std::uint32_t slot = process.first; slot < process.end; ++slot) {
        slots_[slot].ended_by_us = ExitReason::replaced;
        // Until its burial nothing more is handed to it; then the slot is refilled.
        if (ready_.contains(slot)) reclassify(slot);
    }
}

void Pool::make_vacant(std::uint32_t number) noexcept {
    Slot& slot = slots_[number];
    slot.pid = 0;
    if (slot.ended_by_us == ExitReason::retired) slot.listeners.clear();
    starting_.erase(number);
    ready_.erase(number);
    forget(number);
    draining_.erase(number);
    vacant_.insert(number);
    set_stage(number, Stage::vacant);
}

/// It is no longer one that clients are given to.
void Pool::forget(std::uint32_t number) noexcept {
    for (SlotSet* set : {&idle_, &free_, &busy_, &ahead_})
        set->erase(number);
}

void Pool::set_stage(std::uint32_t number, Stage stage) noexcept {
    scoreboard_.entry(number).stage.store(static_cast<std::uint32_t>(stage), relaxed);
}

ExitReason Pool::reason_for(const Slot& slot, int status) const noexcept {
    const auto number = static_cast<std::uint32_t>(&slot - slots_.data());
    if (slot.ended_by_us && *slot.ended_by_us != ExitReason::retired) return *slot.ended_by_us;
    if (WIFSIGNALED(status)) return starting_.contains(number) ? ExitReason::start : ExitReason::signalled;
    if (WEXITSTATUS(status) == worker_exit_descriptors) return ExitReason::descriptors;
    const bool in_order = slot.ended_by_us || phase_ != Phase::serving || is(Delivery::fork);
    if (in_order && WEXITSTATUS(status) == worker_exit_retired) return ExitReason::retired;
    return starting_.contains(number) ? ExitReason::start : ExitReason::exited;
}

}  // namespace bullpen
