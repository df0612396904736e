/// Of a Pool, how its workers are born, told to leave, and accounted for when they have died.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/log.hpp"
#include "core/process.hpp"
#include "pool/pool.hpp"
#include "pool/worker.hpp"

namespace bullpen {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

}  // namespace

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
        for (const Listener& listener : listeners())
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
        .listeners = listeners(),
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

}  // namespace bullpen
