#include "pool/worker.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <span>
#include <string>

#include "core/channel.hpp"
#include "core/log.hpp"
#include "core/served_connection.hpp"
#include "pool/forked_child.hpp"
#include "pool/worker_process.hpp"

namespace bullpen {

namespace {

constexpr auto relaxed = std::memory_order_relaxed;

}  // namespace

Worker::Worker(WorkerProcess& process, ScoreboardRow& row, int channel) noexcept
    : process_{process},
      row_{row},
      channel_{channel},
      acceptor_{process.seat().listeners, process.idle_wait()} {}

void Worker::ready() noexcept {
    set_idle();
    announce_ready();
}

void Worker::announce_ready() noexcept {
    row_.ready_generation.store(process_.seat().generation, std::memory_order_seq_cst);
    process_.wake_master();
}

std::optional<Client> Worker::next_handed_off() {
    std::optional<Client> client;
    // A worker that has the next client in its channel already isn't idle and doesn't wake the master.
    if (process_.header().wake_on_room.load(std::memory_order_seq_cst) != 0) {
        if (receive(false, client) != Took::nothing) return client;
        process_.wake_master();
    }
    for (bool waited = false; receive(true, client) == Took::nothing; waited = true) {
        // Another process has made the channel non-blocking, or the kernel is short of memory.
        constexpr useconds_t until_there_is_some_us = 1000;
        if (waited) ::usleep(until_there_is_some_us);
        process_.wait_for_message(channel_);
    }
    return client;
}

Worker::Polled Worker::poll_handed_off() {
    Polled polled;
    polled.leave = receive(false, polled.client) == Took::leave;
    return polled;
}

Worker::Took Worker::receive(bool wait, std::optional<Client>& client) {
    for (;;) {
        Envelope envelope;
        switch (receive_message(channel_, envelope, wait ? Wait::until_message : Wait::never)) {
            case Received::message: break;
            case Received::empty: return leave() == Leave::no ? Took::nothing : Took::leave;
            case Received::later: {
                constexpr useconds_t until_there_is_memory_us = 1000;
                ::usleep(until_there_is_memory_us);
                return Took::nothing;
            }
            case Received::closed: return Took::leave;
            case Received::truncated: ::_exit(worker_exit_descriptors);
            case Received::malformed:
                log(LogLevel::error, "worker: malformed message on the channel");
                continue;
        }
        if (envelope.message.kind == MessageKind::retire) {
            if (envelope.message.generation == process_.seat().generation) return Took::leave;
            continue;  // The order was meant for an earlier occupant of this slot.
        }
        if (envelope.message.kind == MessageKind::answer) {
            row_.answers.fetch_add(1, std::memory_order_seq_cst);
            process_.wake_master();
            continue;
        }
        if (envelope.message.kind != MessageKind::connection || !envelope.descriptors[0]) continue;
        client.emplace(process_.unpack(std::move(envelope)));
        return Took::client;
    }
}

std::optional<Client> Worker::next_accepted() {
    return acceptor_.next([this] { return leave(); });
}

Leave Worker::leave() const noexcept {
    return leave_ ? Leave::now : process_.leave();
}

void Worker::serve(Client client) noexcept {
    const std::uint64_t begun_ns = begin(client);
    ServedConnection served{std::move(client.socket), process_.view(*this)};
    served.go_on_from(client.state, std::move(client.file), client.parking);
    served.connection().limits() = process_.seat().time_limits;
    if (!client.has_options) served.connection().set_socket_timeouts(process_.seat().slice);
    bool threw = false;
    try {
        const Next next = handle(served);
        if (next != Next::close && give_back(served, next, client)) return end_turn(begun_ns);
    } catch (...) {
        threw = handler_failed();
    }
    end_forked_child();
    served.close();
    end(begun_ns, served, threw);
}

/// Calls the handler until it wants the connection closed or parked, and returns which. A connection that
/// can't be given back, or of which bytes already read would be lost, waits for its client here.
Next Worker::handle(ServedConnection& served) {
    for (;;) {
        const Next next = process_.handler()(served.connection());
        end_forked_child();
        if (next == Next::close || served.may_be_given_back()) return next;
        if (!served.wait_here(next == Next::await_input ? Await::input : Await::output)) return Next::close;
    }
}

/// Returns false if the connection must be closed instead, because no more requests will be answered.
bool Worker::give_back(ServedConnection& served, Next next, const Client& client) noexcept {
    Connection& connection = served.connection();
    Message message{.kind = MessageKind::returned,
                    .generation = process_.seat().generation,
                    .since_ns = client.since_ns,
                    .listener = served.touched() ? 1U : 0U,
                    .handoff = client.handoff,
                    .parking = served.parking(),
                    .state = connection.state()};
    message.parking.what = next == Next::await_input ? Await::input : Await::output;
    if (served.stopping() && served.touched() && message.parking.limit == Limit::idle) return false;
    served.uncork();
    const std::array<int, 2> descriptors{connection.fd(), connection.file().get()};
    const std::size_t count = connection.file() ? 2 : 1;
    for (;;) {
        switch (send_message(channel_, message, std::span{descriptors}.first(count))) {
            case Sent::sent: break;
            case Sent::closed: return false;  // The master is dead.
            case Sent::would_block: {         // Too many descriptors are in flight (unix(7), ETOOMANYREFS).
                constexpr useconds_t until_some_have_arrived_us = 1000;
                ::usleep(until_some_have_arrived_us);
                continue;
            }
        }
        break;
    }
    served.close();
    connection.file().reset();
    return true;
}

/// As end(), for a connection that was given back and lies in the channel now.
void Worker::end_turn(std::uint64_t begun_ns) noexcept {
    stop_working(begun_ns);
    row_.returned.store(row_.returned.load(relaxed) + 1, std::memory_order_seq_cst);
    // While clients wait for workers, a worker wakes the master only when it falls idle.
    const ScoreboardHeader& header = process_.header();
    if (header.wake_on_return.load(std::memory_order_seq_cst) != 0 && header.wanted.load(relaxed) == 0)
        process_.wake_master();
}

std::uint64_t Worker::begin(const Client& client) noexcept {
    const std::uint64_t begun_ns = monotonic_ns();
    if (process_.seat().delivery == Delivery::accept) {
        add(row_.accepted);
        if (process_.header().wake_on_room.load(relaxed) != 0)
            process_.wake_master();  // The pool may have to grow.
    }
    add(row_.begun);
    if (serving_++ == 0) {
        serving_since_ns_ = begun_ns;
        row_.begun_at_ns.store(begun_ns, relaxed);
        row_.note.begun_ns.store(begun_ns, relaxed);
        row_.note.write({});
        // The sizer of a crew looks at the activity before it sleeps; note_change() looks whether it sleeps.
        row_.activity.store(static_cast<std::uint32_t>(Activity::busy), std::memory_order_seq_cst);
        process_.note_change();
    }
    row_.queue_wait.record(begun_ns - std::min(begun_ns, client.since_ns));
    return begun_ns;
}

void Worker::end(std::uint64_t begun_ns, SharedCounter& outcome) noexcept {
    stop_working(begun_ns);
    add(outcome);
    // From here on the slot has room. The accesses are sequentially consistent: either the master sees this
    // count before it blocks, or the worker sees, before it waits, that the master wants to be woken.
    row_.finished.store(row_.finished.load(relaxed) + 1, std::memory_order_seq_cst);
}

void Worker::stop_working(std::uint64_t begun_ns) noexcept {
    const std::uint64_t now_ns = monotonic_ns();
    row_.service.record(now_ns - begun_ns);
    if (--serving_ != 0) return;
    add(row_.busy_ns, now_ns - serving_since_ns_);
    row_.begun_at_ns.store(0, relaxed);
    row_.note.begun_ns.store(0, relaxed);
    set_idle();
    process_.note_change();
}

void Worker::wake_waiting_master() noexcept {
    if (process_.header().wake_on_room.load(std::memory_order_seq_cst) != 0) process_.wake_master();
}

void Worker::set_idle() noexcept {
    row_.activity.store(static_cast<std::uint32_t>(Activity::idle), std::memory_order_seq_cst);
}

void Worker::set_absent() noexcept {
    row_.activity.store(static_cast<std::uint32_t>(Activity::absent), relaxed);
}

Activity Worker::activity() const noexcept {
    return static_cast<Activity>(row_.activity.load(std::memory_order_seq_cst));
}

bool handler_failed() noexcept {
    try {
        throw;
    } catch (const ClientGone&) {
        return false;
    } catch (const TimedOut&) {
        return false;
    } catch (const std::exception& error) {
        log(LogLevel::warning, "handler threw: " + std::string{error.what()});
    } catch (...) {
        log(LogLevel::warning, "handler threw a non-std exception");
    }
    return true;
}

}  // namespace bullpen
