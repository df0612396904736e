#include "pool/workforce.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "core/log.hpp"
#include "core/printable.hpp"
#include "core/process.hpp"
#include "core/process_title.hpp"
#include "pool/worker_process.hpp"

namespace bullpen {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

bool was_killed_by_us(const std::optional<ExitReason>& ended_by_us) noexcept {
    return ended_by_us == ExitReason::replaced || ended_by_us == ExitReason::drain_limit ||
           ended_by_us == ExitReason::stopped;
}

}  // namespace

Workforce::Workforce(const PoolOptions& options, const PoolShape& shape, Scoreboard& scoreboard,
                     Connections& connections, Roster& roster, Common common)
    : options_{options},
      shape_{shape},
      scoreboard_{scoreboard},
      connections_{connections},
      roster_{roster},
      common_{std::move(common)},
      rows_{scoreboard, shape},
      accept_lock_{options.design.locks_accept ? std::make_unique<AcceptLock>(options.accept_lock) : nullptr},
      seats_{shape.slots},
      own_listeners_(options.design.own_listeners ? shape.slots : 0),
      own_listener_fds_{own_listeners_.size() * common_.listeners->size()} {
    slot_of_.reserve(shape.slots);
}

Workforce::~Workforce() = default;

std::string Workforce::name_of(std::uint32_t slot) const {
    return "pool " + options_.name + ": worker " + std::to_string(slot) + " (pid " +
           std::to_string(seats_[slot].pid) + ")";
}

// Birth.

bool Workforce::may_start(TimePoint now) const noexcept {
    return pause_.is_over(now, !roster_.ready().empty());
}

void Workforce::grow(int workers, TimePoint now) noexcept {
    const SlotSet& vacant = roster_.vacant();
    const int before = vacant.size();
    while (before - vacant.size() < workers && !vacant.empty() && start(*vacant.lowest(), {}, now))
        continue;
}

void Workforce::refill_listeners(TimePoint now) noexcept {
    for (auto slot = deserted_listener(); slot && start(*slot, {}, now); slot = deserted_listener())
        continue;
}

/// The lowest vacant slot whose own listener needs a worker. Slot 0 uses the pool's listeners.
std::optional<std::uint32_t> Workforce::deserted_listener() const noexcept {
    if (!options_.design.own_listeners) return {};
    return roster_.vacant().find_if(
        [this](std::uint32_t slot) { return slot == 0 || !own_listeners_[slot].empty(); });
}

bool Workforce::start(std::uint32_t slot, std::optional<Place> client, TimePoint now) noexcept {
    if (!may_start(now)) return false;
    if (client) give_to_child(slot, *client, now);
    if (start_with(slot, client, now)) return true;
    if (client) take_from_child(slot, *client, now);
    return false;
}

bool Workforce::start_with(std::uint32_t slot, std::optional<Place> client, TimePoint now) noexcept {
    const SlotRange process = shape_.process_of(slot);
    std::optional<pid_t> pid;
    try {
        for (std::uint32_t each = process.first; each < process.end; ++each)
            prepare(each);
        pid = start_process(process, client);
    } catch (const std::system_error& error) {  // Out of descriptors: treated as a failed fork.
        errno = error.code().value();
    }
    if (!pid) {
        const int error = errno;
        for (std::uint32_t each = process.first; each < process.end; ++each)
            close_channel(each);
        pause_.note_failure(now, !roster_.ready().empty());
        log(LogLevel::error, "pool " + options_.name + ": cannot start a worker: " + std::strerror(error));
        return false;
    }
    add(scoreboard_.header().spawns);
    slot_of_[*pid] = process.first;
    for (std::uint32_t each = process.first; each < process.end; ++each) {
        occupy(each, *pid);
        seats_[each].born = now;
    }
    if (!client) return true;
    roster_.place(slot, Stage::ready, Usable::yes);
    ConnectionEntry& entry = connections_.at(*client);
    entry.was_given = entry.sent = true;
    if (options_.design.form == Form::program) entry.socket.reset();
    pause_.note_success();
    return true;
}

/// Makes what a slot must have before its worker's birth, and sets its row.
void Workforce::prepare(std::uint32_t slot) {
    Seat& seat = seats_[slot];
    if (shape_.hands_off()) {
        ChannelEnds ends = make_channel();
        seat.channel.master = std::move(ends.master);
        seat.channel.worker = std::move(ends.worker);
    }
    if (options_.design.own_listeners && slot > 0 && own_listeners_[slot].empty()) {
        const std::size_t count = common_.listeners->size();
        for (std::size_t i = 0; i < count; ++i) {
            own_listeners_[slot].push_back((*common_.listeners)[i].open_sibling(options_.listen_options));
            own_listener_fds_[slot * count + i].note(own_listeners_[slot].back().fd());
        }
    }
    ++seat.generation;
    seat.edition = edition_;
    seat.ended_by_us.reset();
    seat.stopped_at.reset();
    rows_.begin(slot);
    if (const WorkerPages pages = scoreboard_.pages(slot)) pages.restart(roster_.account(slot).completions());
    scoreboard_.entry(slot).generation.store(seat.generation, relaxed);
}

std::optional<pid_t> Workforce::start_process(SlotRange process, std::optional<Place> client) {
    if (options_.design.form == Form::program && client)
        return start_program(process.first, connections_.at(*client));
    const WorkerSeat seat = seat_for(process);
    pid_t& pid = seats_[process.first].pid;
    if (!client) return common_.spawn([&] { return become_worker(seat, nullptr, -1); }, pid);
    const ConnectionEntry& entry = connections_.at(*client);
    const Message message{.generation = seat.generation,
                          .since_ns = static_cast<std::uint64_t>(entry.since.time_since_epoch().count()),
                          .handoff = entry.handoff,
                          .listener = entry.listener,
                          .resumption = entry.resumption};
    return common_.spawn([&, socket = entry.socket.get()] { return become_worker(seat, &message, socket); },
                         pid);
}

/// Starts the pool's program for one client. A program can't write its row, so the master does.
std::optional<pid_t> Workforce::start_program(std::uint32_t slot, const ConnectionEntry& client) {
    const std::optional<pid_t> pid = spawn_program(options_.program, client.socket.get());
    if (!pid) return {};
    seats_[slot].pid = *pid;
    rows_.note_program(slot, client.since);
    return pid;
}

void Workforce::occupy(std::uint32_t slot, pid_t pid) noexcept {
    seats_[slot].pid = pid;
    roster_.place(slot, Stage::starting, Usable::yes);
}

/// Gives the client to a child that is about to be forked for it and has its socket from its birth.
void Workforce::give_to_child(std::uint32_t slot, Place client, TimePoint now) noexcept {
    const Scoreboard::Change change{scoreboard_};
    connections_.address(client, slot, roster_.account(slot).next_handoff());
    connections_.move(client, Where::given);
    roster_.account(slot).give(client);
    roster_.moved(slot, now);
}

void Workforce::take_from_child(std::uint32_t slot, Place client, TimePoint now) noexcept {
    const Scoreboard::Change change{scoreboard_};
    roster_.account(slot).take_back(connections_.at(client).handoff);
    roster_.moved(slot, now);
    connections_.move(client, Where::waiting);
}

/// The life of the new process, which doesn't have the master's own memory. It first closes every descriptor
/// that isn't the worker's: a channel or listener kept by mistake would stay open after all others have
/// closed it. `message` is of the client with `socket` for which it was forked, or null.
int Workforce::become_worker(const WorkerSeat& seat, const Message* message, int socket) {
    std::vector<int> kept = common_.kept;
    kept.push_back(common_.wake);
    kept.push_back(scoreboard_.fd());
    UniqueFd own;
    if (message != nullptr) {
        own = UniqueFd{socket};
        kept.push_back(socket);
    }
    kept.insert(kept.end(), seat.channels.begin(), seat.channels.end());
    if (is(Delivery::accept))
        for (const Listener& listener : seat.listeners)
            kept.push_back(listener.fd());
    if (accept_lock_ && accept_lock_->fd() >= 0) kept.push_back(accept_lock_->fd());
    close_all_except(kept);
    set_process_title("bullpen: worker [" + options_.name + "/" + std::to_string(seat.first_slot) + "]");
    scoreboard_.keep_only(seat.first_slot, seat.slots);

    const LogsFor worker_or_pool{
        {.pool = seat.pool, .slot = seat.slots == 1 ? seat.first_slot : LogSource::no_slot}};
    WorkerProcess worker{seat, scoreboard_, options_};
    if (message != nullptr) worker.set_forked_for(*message, std::move(own));
    if (!worker.prepare()) return worker_exit_unprepared;
    options_.design.work(worker);
    worker.finish();
    return worker_exit_retired;
}

WorkerSeat Workforce::seat_for(SlotRange process) const {
    const bool has_own = !own_listeners_.empty() && !own_listeners_[process.first].empty();
    WorkerSeat seat{
        .pool = options_.name,
        .first_slot = process.first,
        .slots = process.end - process.first,
        .generation = seats_[process.first].generation,
        .keeper = ::getppid(),
        .wake = common_.wake,
        .listeners = has_own ? own_listeners_[process.first] : *common_.listeners,
        .delivery = options_.design.delivery,
        .owns_listeners = options_.design.own_listeners,
        .accept_lock = accept_lock_.get(),
        .admission = common_.admission,
        .limits = options_.limits,
        .resize_interval = options_.resize_interval,
        .shrink_window = options_.shrink_window,
        .capacity = static_cast<int>(shape_.capacity),
        .batch = options_.scheduling == Scheduling::batch && !shape_.forks_for_each,
        .parks = shape_.parks,
        .parks_files = options_.parks_files,
        .slice = options_.listen_options.slice,
        .await_next = options_.await_next,
        .time_limits = options_.time_limits,
        .drain_timeout = common_.drain_timeout,
        .stop_patience = options_.stop_patience,
    };
    if (shape_.hands_off())
        for (std::uint32_t slot = process.first; slot < process.end; ++slot)
            seat.channels.push_back(seats_[slot].channel.worker.get());
    return seat;
}

// Taking over from a master that has died.

void Workforce::keep_from_children() noexcept {
    seats_.keep_from_children();
    own_listener_fds_.keep_from_children();
    rows_.keep_from_children();
}

void Workforce::adopt(OpenDescriptors& open, TimePoint now) {
    for (std::uint32_t slot = 0; slot < shape_.slots; ++slot) {
        Seat& seat = seats_[slot];
        for (TableFd* const end : {&seat.channel.master, &seat.channel.worker})
            if (*end && !open.claim(end->get())) end->forget();
        adopt_listeners(slot, open);
        const std::uint32_t first = shape_.process_of(slot).first;
        if (slot == first && seat.pid != 0) slot_of_[seat.pid] = slot;
        seat.pid = seats_[first].pid;  // The kernel notes only the first one's.
        if (seat.pid == 0) {
            close_channel(slot);
            continue;
        }
        if (seat.born == TimePoint{}) seat.born = now;
        if (slot == first && seat.stopped_at) ++stopped_;
        const bool leaves = seat.ended_by_us && !was_killed_by_us(seat.ended_by_us);
        const Stage stage = leaves ? Stage::draining : is(Delivery::fork) ? Stage::ready : Stage::starting;
        roster_.place(slot, stage, was_killed_by_us(seat.ended_by_us) ? Usable::no : Usable::yes);
    }
    note_ready();
}

void Workforce::settle_unborn(TimePoint now) noexcept {
    if (!is(Delivery::fork)) return;
    const bool program = options_.design.form == Form::program;
    for (std::uint32_t slot = 0; slot < shape_.slots; ++slot) {
        const std::optional<Place> client = roster_.account(slot).oldest();
        if (!client) continue;
        ConnectionEntry& entry = connections_.at(*client);
        entry.was_given = entry.sent = true;
        if (seats_[slot].pid != 0) {
            if (program) entry.socket.reset();
        } else if (!program) {
            take_from_child(slot, *client, now);
        } else {
            const Scoreboard::Change change{scoreboard_};
            roster_.account(slot).lose(entry.handoff);
            roster_.moved(slot, now);
            connections_.end(*client, Ending::lost(ExitReason::master));
        }
    }
}

void Workforce::adopt_listeners(std::uint32_t slot, OpenDescriptors& open) {
    if (own_listeners_.empty() || slot == 0) return;
    const std::size_t count = common_.listeners->size();
    for (std::size_t i = 0; i < count; ++i) {
        TableFd& fd = own_listener_fds_[slot * count + i];
        if (fd && open.claim(fd.get()))
            own_listeners_[slot].push_back(Listener::adopt(UniqueFd{fd.get()}));
        else
            fd.forget();
    }
    if (own_listeners_[slot].size() != count) close_listeners(slot);
}

void Workforce::close_listeners(std::uint32_t slot) noexcept {
    if (own_listeners_.empty()) return;
    own_listeners_[slot].clear();
    const std::size_t count = common_.listeners->size();
    for (std::size_t i = 0; i < count; ++i)
        own_listener_fds_[slot * count + i].forget();
}

void Workforce::close_channel(std::uint32_t slot) noexcept {
    seats_[slot].channel.master.reset();
    seats_[slot].channel.worker.reset();
}

void Workforce::repeat_orders(TimePoint now) noexcept {
    for (const auto& [pid, first] : slot_of_) {
        const Seat& seat = seats_[first];
        if (!seat.ended_by_us) continue;
        if (was_killed_by_us(seat.ended_by_us))
            ::kill(pid, SIGKILL);
        else
            tell(first, *seat.ended_by_us, now);
        if (seat.ended_by_us == ExitReason::retired) order_to_leave(first);
    }
}

// Duty.

void Workforce::note_ready() noexcept {
    roster_.starting().for_each([&](std::uint32_t slot) {
        const auto ready = scoreboard_.row(slot).ready_generation.load(std::memory_order_seq_cst);
        if (ready != seats_[slot].generation) return;
        roster_.place(slot, Stage::ready, Usable::yes);
        if (SharedLine& why = scoreboard_.header().start_failure; why.bytes[0] != 0) why.write({});
    });
}

bool Workforce::note_stopped(pid_t pid, bool stopped, TimePoint now) noexcept {
    const auto found = slot_of_.find(pid);
    if (found == slot_of_.end()) return false;
    Seat& seat = seats_[found->second];
    stopped_ -= seat.stopped_at ? 1 : 0;
    if (!stopped)
        seat.stopped_at.reset();
    else if (!seat.stopped_at)
        seat.stopped_at = now;
    stopped_ += seat.stopped_at ? 1 : 0;
    return true;
}

void Workforce::forgive(std::chrono::nanoseconds gap, TimePoint now) noexcept {
    resumed_at_ = now;
    for (Seat& seat : seats_) {
        if (seat.stopped_at) *seat.stopped_at += gap;
        seat.told_at += gap;
    }
}

// Leaving.

void Workforce::retire(std::uint32_t slot, TimePoint now) noexcept {
    if (roster_.draining().contains(slot)) return;
    tell(slot, ExitReason::retired, now);
    order_to_leave(slot);
}

void Workforce::order_to_leave(std::uint32_t slot) noexcept {
    const SlotRange process = shape_.process_of(slot);
    bool told = shape_.hands_off();
    for (std::uint32_t each = process.first; each < process.end; ++each) {
        if (shape_.hands_off()) {
            const Message order{.kind = MessageKind::retire, .generation = seats_[each].generation};
            told = send_message(seats_[each].channel.master.get(), order, {}) == Sent::sent && told;
        }
        if (own_listeners_.empty()) continue;
        for (Listener& listener : own_listeners_[each])
            listener.stop_as_sibling();
    }
    // A worker with a listener of its own first completes the handshakes in its backlog: see remind().
    const bool serves_on = options_.design.own_listeners && scoreboard_.header().draining.load(relaxed) == 0;
    if (!told && !serves_on) ::kill(seats_[process.first].pid, SIGTERM);
}

/// Notes that the slot's process is told to leave; from here on it is given no connection.
void Workforce::tell(std::uint32_t slot, ExitReason reason, TimePoint now) noexcept {
    const SlotRange process = shape_.process_of(slot);
    for (std::uint32_t each = process.first; each < process.end; ++each) {
        seats_[each].ended_by_us = reason;
        seats_[each].told_at = now;
        roster_.place(each, Stage::draining, Usable::yes);
    }
}

void Workforce::retire_all(TimePoint now) noexcept {
    const auto retire_each = [&](std::uint32_t slot) { retire(slot, now); };
    roster_.starting().for_each(retire_each);
    roster_.ready().for_each(retire_each);
}

void Workforce::retire_idle(int workers, TimePoint now) noexcept {
    for (std::uint32_t end = shape_.slots; end > 0 && workers > 0;) {
        const SlotRange process = shape_.process_of(end - 1);
        end = process.first;
        const int size = static_cast<int>(process.end - process.first);
        bool idle = size <= workers;
        for (std::uint32_t slot = process.first; slot < process.end; ++slot)
            idle = idle && roster_.ready().contains(slot) && !roster_.is_busy(slot);
        if (!idle) continue;
        retire(process.first, now);
        workers -= size;
    }
}

void Workforce::remind(TimePoint now) noexcept {
    if (!is(Delivery::accept)) return;
    roster_.draining().for_each([&](std::uint32_t slot) {
        Seat& seat = seats_[slot];
        const bool first = slot == shape_.process_of(slot).first;
        if (!first || roster_.is_busy(slot) || now - seat.told_at < options_.stop_settle) return;
        seat.told_at = now;
        ::kill(seat.pid, SIGTERM);
    });
}

void Workforce::replace(std::uint32_t slot, const char* why) noexcept {
    log(LogLevel::error, name_of(slot) + " is replaced: " + why);
    kill(slot, ExitReason::replaced);
}

void Workforce::replace_in_order(std::uint32_t slot, const char* why, TimePoint now) noexcept {
    log(LogLevel::error, name_of(slot) + " is replaced: " + why);
    tell(slot, ExitReason::replaced, now);
    ::kill(seats_[slot].pid, SIGTERM);
}

/// Kills the slot's process; until its burial it is given no connection.
void Workforce::kill(std::uint32_t slot, ExitReason reason) noexcept {
    const SlotRange process = shape_.process_of(slot);
    for (std::uint32_t each = process.first; each < process.end; ++each) {
        seats_[each].ended_by_us = reason;
        roster_.set_usable(each, Usable::no);
    }
    ::kill(seats_[slot].pid, SIGKILL);
}

/// How long the worker has been busy with one request, by its row: a broken worker that writes a false time
/// there ends earlier or later than it should, nothing else. Time before the master last continued (see
/// forgive()) doesn't count.
std::chrono::nanoseconds Workforce::busy_with_one_request(std::uint32_t slot, TimePoint now) const noexcept {
    const ScoreboardRow& row = scoreboard_.row(slot);
    if (row.awaiting_since_ns.load(relaxed) != 0) return {};
    const std::uint64_t begun_ns = row.note.begun_ns.load(relaxed);
    const auto now_ns = static_cast<std::uint64_t>(now.time_since_epoch().count());
    const auto& ended_by_us = seats_[slot].ended_by_us;
    if (begun_ns == 0 || begun_ns >= now_ns || (ended_by_us && *ended_by_us != ExitReason::retired))
        return {};
    return std::min<std::chrono::nanoseconds>(std::chrono::nanoseconds{now_ns - begun_ns}, now - resumed_at_);
}

/// Tells the worker's whole process to stop; its other threads may finish their requests within
/// request_grace.
void Workforce::end_slow(std::uint32_t slot, std::chrono::nanoseconds elapsed, TimePoint now) noexcept {
    log_slow(slot, elapsed, now);
    tell(slot, ExitReason::request_timeout, now);
    ::kill(seats_[slot].pid, SIGTERM);
}

void Workforce::kill_unyielding(TimePoint now) noexcept {
    roster_.draining().for_each([&](std::uint32_t slot) {
        Seat& seat = seats_[slot];
        if (seat.ended_by_us != ExitReason::request_timeout || now - seat.told_at < options_.request_grace)
            return;
        seat.told_at = now;
        ::kill(seat.pid, SIGKILL);
    });
}

void Workforce::log_slow(std::uint32_t slot, std::chrono::nanoseconds elapsed, TimePoint now) const noexcept {
    const Work work = work_of(slot, now);
    std::array<char, 32> seconds{};
    std::snprintf(seconds.data(), seconds.size(), "%.1f s", static_cast<double>(elapsed.count()) / 1e9);
    log(LogLevel::warning, name_of(slot) + " is told to stop: slow request" +
                               (work.client.empty() ? "" : ", client " + work.client) +
                               (work.request.empty() ? "" : ", \"" + work.request + "\"") + ", " +
                               seconds.data());
}

void Workforce::end_stopped(TimePoint now) noexcept {
    if (stopped_ == 0) return;
    for (const auto& [pid, slot] : slot_of_) {
        const Seat& seat = seats_[slot];
        if (!seat.stopped_at || now - *seat.stopped_at < options_.stopped_timeout) continue;
        if (seat.ended_by_us == ExitReason::stopped) continue;
        log(LogLevel::error,
            name_of(slot) + " is killed: it was stopped (SIGSTOP, a debugger) for longer than its limit");
        kill(slot, ExitReason::stopped);
    }
}

void Workforce::kill_all() noexcept {
    for (const auto& [pid, slot] : slot_of_)
        if (seats_[slot].ended_by_us != ExitReason::drain_limit) kill(slot, ExitReason::drain_limit);
}

// The renewal after a reload.

RenewalCounts Workforce::count_editions() const noexcept {
    RenewalCounts counts;
    for (std::uint32_t slot = 0; slot < shape_.slots; slot = shape_.process_of(slot).end) {
        const Stage stage = roster_.stage_of(slot);
        if (stage == Stage::vacant) ++counts.vacant;
        if (stage != Stage::starting && stage != Stage::ready) continue;
        if (seats_[slot].edition != edition_)
            ++counts.stale;
        else
            ++(stage == Stage::ready ? counts.fresh_ready : counts.fresh_starting);
    }
    return counts;
}

void Workforce::retire_stale(int processes, TimePoint now) noexcept {
    for (const bool also_busy : {false, true})
        for (std::uint32_t slot = 0; slot < shape_.slots && processes > 0;
             slot = shape_.process_of(slot).end) {
            const Stage stage = roster_.stage_of(slot);
            if ((stage != Stage::starting && stage != Stage::ready) || seats_[slot].edition == edition_)
                continue;
            const SlotRange process = shape_.process_of(slot);
            bool busy = false;
            for (std::uint32_t each = process.first; each < process.end; ++each)
                busy = busy || roster_.is_busy(each);
            if (busy && !also_busy) continue;
            retire(slot, now);
            --processes;
        }
}

// Death.

/// What the slot's worker is, or was, busy with: the connection that it was given first.
Work Workforce::work_of(std::uint32_t slot, TimePoint now) const {
    const RequestNote& note = scoreboard_.row(slot).note;
    const auto now_ns = static_cast<std::uint64_t>(now.time_since_epoch().count());
    const std::uint64_t begun_ns = std::min(note.begun_ns.load(relaxed), now_ns);
    Work work{.request = note.read(), .age = std::chrono::nanoseconds{now_ns - begun_ns}};
    if (const auto client = roster_.account(slot).oldest())
        work.client = connections_.at(*client).peer.text();
    return work;
}

std::optional<Death> Workforce::take_dead(pid_t pid, int status, bool stopping, TimePoint now) noexcept {
    const auto found = slot_of_.find(pid);
    if (found == slot_of_.end()) return {};
    const std::uint32_t first = found->second;
    slot_of_.erase(found);
    if (std::exchange(seats_[first].stopped_at, std::nullopt)) --stopped_;
    Death death{.process = shape_.process_of(first), .pid = pid, .status = status};
    note_ready();
    for (std::uint32_t slot = death.process.first; slot < death.process.end; ++slot)
        death.was_ready = death.was_ready || roster_.ready().contains(slot);
    death.reason = reason_for(death, stopping);
    if (WIFEXITED(status) && WEXITSTATUS(status) == worker_exit_unprepared)
        death.why = printable(scoreboard_.row(first).note.read());
    for (std::uint32_t slot = death.process.first; slot < death.process.end; ++slot) {
        const ScoreboardRow& row = scoreboard_.row(slot);
        if (row.note.begun_ns.load(relaxed) == 0 || row.awaiting_since_ns.load(relaxed) != 0) continue;
        death.work.push_back(work_of(slot, now));
        const auto others = roster_.account(slot).given();
        for (std::size_t i = 1; shape_.capacity > 1 && i < others.size(); ++i) {
            const ConnectionEntry& entry = connections_.at(others[i].client);
            death.work.push_back({.client = entry.peer.text(), .age = now - entry.since});
        }
    }
    return death;
}

/// A process of threads has started once one of them has.
ExitReason Workforce::reason_for(const Death& death, bool stopping) const noexcept {
    const auto& ended_by_us = seats_[death.process.first].ended_by_us;
    const bool starting = !death.was_ready && roster_.starting().contains(death.process.first);
    const int status = death.status;
    if (ended_by_us && *ended_by_us != ExitReason::retired) return *ended_by_us;
    if (WIFSIGNALED(status)) return starting ? ExitReason::start : ExitReason::signalled;
    if (WEXITSTATUS(status) == worker_exit_descriptors) return ExitReason::descriptors;
    const bool in_order = ended_by_us || stopping || shape_.forks_for_each;
    if (in_order && WEXITSTATUS(status) == worker_exit_retired) return ExitReason::retired;
    return starting ? ExitReason::start : ExitReason::exited;
}

std::uint64_t Workforce::settle(std::uint32_t slot, const Death& death, TimePoint now) noexcept {
    const bool was_program = options_.design.form == Form::program && is(Delivery::fork);
    if (was_program) rows_.note_program_end(slot, death.status);
    const Scoreboard::Change change{scoreboard_};
    std::uint64_t lost = 0;
    if (is(Delivery::accept)) {
        const std::optional<std::uint64_t> had = rows_.held_by_acceptor(slot);
        const std::uint64_t accepted = scoreboard_.row(slot).accepted.load(relaxed);
        if (had && rows_.is_possible(slot, accepted))
            lost = *had;
        else
            restore_row(slot);
        SharedCounter& of_slot = scoreboard_.entry(slot).lost;
        SharedCounter& of_reason = scoreboard_.header().lost[static_cast<std::size_t>(death.reason)];
        scoreboard_.remember(of_slot);
        scoreboard_.remember(of_reason);
        add(of_slot, lost);
        add(of_reason, lost);
    } else {
        SlotAccount& account = roster_.account(slot);
        if (was_program && WIFEXITED(death.status) && account.outstanding() > 0) {
            const Place client = *account.end(account.given().front().handoff);
            roster_.moved(slot, now);
            connections_.end(client, Ending::in_worker());
        }
        if (outcomes(scoreboard_.row(slot)) != account.finished() ||
            !rows_.is_possible(slot, account.handoffs())) {
            restore_row(slot);
            ScoreboardRow& row = scoreboard_.row(slot);
            add(row.completed, account.finished() - outcomes(row));
        }
        while (account.outstanding() > 0) {
            const Place client = *account.lose(account.given().front().handoff);
            roster_.moved(slot, now);
            connections_.end(client, Ending::lost(death.reason));
            ++lost;
        }
        roster_.moved(slot, now);
    }
    rows_.close(slot, roster_.account(slot));
    return lost;
}

void Workforce::restore_row(std::uint32_t slot) noexcept {
    log(LogLevel::error,
        name_of(slot) + " left impossible counts in its row of the scoreboard; the master puts them right");
    rows_.restore(slot);
}

void Workforce::bury(const Death& death, bool stopping, TimePoint now) noexcept {
    if (!death.why.empty()) scoreboard_.header().start_failure.write(death.why);
    if (death.reason != ExitReason::retired) {
        const Obituary obituary{.worker = name_of(death.process.first),
                                .status = death.status,
                                .reason = death.reason,
                                .why = death.why,
                                .work = death.work,
                                .lost = death.lost,
                                .given_again = death.given_again};
        log(LogLevel::warning, obituary.text());
    }

    constexpr std::chrono::seconds long_life{10};
    const bool of_use =
        rows_.served_since_birth(death.process) || now - seats_[death.process.first].born >= long_life;
    for (std::uint32_t slot = death.process.first; slot < death.process.end; ++slot) {
        if (seats_[slot].ended_by_us == ExitReason::retired) close_listeners(slot);
        close_channel(slot);
        roster_.place(slot, Stage::vacant, Usable::yes);
        if (slot != death.process.first) seats_[slot].pid = 0;
    }
    {
        const Scoreboard::Change change{scoreboard_};
        SharedCounter& exits = scoreboard_.header().exits[static_cast<std::size_t>(death.reason)];
        pid_t& pid = seats_[death.process.first].pid;
        scoreboard_.remember(exits);
        scoreboard_.remember(pid);
        add(exits);
        pid = 0;
    }
    if (options_.design.receives_one) {  // What it was started for still waits if it hasn't come to receive.
        if (death.was_ready || seats_[death.process.first].ended_by_us)
            pause_.note_success();
        else
            pause_.note_failure(now, !roster_.ready().empty());
    }
    if (shape_.forks_for_each || stopping || death.reason == ExitReason::retired) return;
    const bool ended_by_us = death.reason == ExitReason::request_timeout ||
                             death.reason == ExitReason::stopped || death.reason == ExitReason::replaced;
    if (of_use)
        pause_.note_success();
    else if (death.reason != ExitReason::request_timeout && death.reason != ExitReason::stopped)
        pause_.note_failure(now,
                            !roster_.ready().empty());  // Each worker may die in its first request.
    if (death.was_ready || ended_by_us) start(death.process.first, {}, now);
}

// Listeners of their own.

bool Workforce::has_clients() const noexcept {
    return std::any_of(own_listeners_.begin(), own_listeners_.end(), [](const auto& listeners) {
        return std::any_of(listeners.begin(), listeners.end(),
                           [](const Listener& listener) { return listener.has_clients(); });
    });
}

ListenQueue Workforce::queue_of(std::size_t listener) const noexcept {
    ListenQueue sum;
    for (const std::vector<Listener>& listeners : own_listeners_) {
        if (listeners.empty()) continue;
        const ListenQueue own = listeners[listener].queue().value_or(ListenQueue{});
        sum.length += own.length;
        sum.limit += own.limit;
    }
    return sum;
}

std::uint64_t Workforce::dropped_of(std::size_t listener) const noexcept {
    std::uint64_t sum = 0;
    for (const std::vector<Listener>& listeners : own_listeners_)
        if (!listeners.empty()) sum += listeners[listener].dropped();
    for (std::uint32_t slot = 0; options_.connected > 0 && slot < shape_.slots; ++slot)
        sum += scoreboard_.row(slot).peers_dropped[listener].load(std::memory_order_relaxed);
    return sum;
}

void Workforce::stop_new_clients() noexcept {
    for (std::vector<Listener>& listeners : own_listeners_)
        for (Listener& listener : listeners)
            listener.stop_new_clients();
}

TimePoint Workforce::prepare_to_wait(TimePoint now) const noexcept {
    constexpr std::chrono::milliseconds between_looks{250};
    TimePoint next = may_start(now) ? TimePoint::max() : pause_.end(!roster_.ready().empty());
    const bool leaving = !roster_.draining().empty();
    const bool limited = options_.request_timeout.count() > 0 && roster_.count().busy > 0;
    if (leaving || limited) next = std::min(next, now + between_looks);
    return next;
}

}  // namespace bullpen
