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
#include "core/urgent_data.hpp"
#include "pool/forked_child.hpp"
#include "pool/worker_process.hpp"

namespace bullpen {

namespace {

constexpr auto relaxed = std::memory_order_relaxed;

}  // namespace

Worker::Worker(WorkerProcess& process, ScoreboardRow& row, WorkerPages pages, int channel)
    : process_{process},
      row_{row},
      pages_{pages},
      channel_{channel},
      acceptor_{process.seat().listeners, process.idle_wait()},
      connected_peers_{static_cast<std::size_t>(process.options().connected), process.seat().listeners,
                       row.peers_dropped} {
    for (std::uint32_t i = pages.depth(); i > 0; --i)
        free_notes_.push_back(&pages.note(i - 1));
    in_hand_.reserve(messages_at_once - 1);
}

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
    if (take_in_hand(client)) return Took::client;
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
            case Received::malformed: log(LogLevel::error, "malformed message on the channel"); continue;
        }
        if (envelope.message().kind == MessageKind::retire) {
            if (envelope.message().generation == process_.seat().generation) return Took::leave;
            continue;  // The order was meant for an earlier occupant of this slot.
        }
        if (envelope.message().kind == MessageKind::answer) {
            row_.answers.fetch_add(1, std::memory_order_seq_cst);
            process_.wake_master();
            continue;
        }
        if (envelope.message().kind != MessageKind::connection || !envelope.descriptors[0]) continue;
        take(std::move(envelope), client);
        return Took::client;
    }
}

/// The first client is to be served now. Each of the others has one descriptor.
void Worker::take(Envelope envelope, std::optional<Client>& client) {
    for (std::size_t i = envelope.count - 1; i > 0; --i) {
        const Message& message = envelope.all[i];
        HandoffProgress handoff = note_of(message);
        handoff.queue(message.resumption);
        in_hand_.push_back(process_.unpack(message, std::move(envelope.descriptors[i]), {}, handoff));
    }
    const HandoffProgress handoff = note_received(envelope.message());
    client.emplace(process_.unpack(envelope.message(), std::move(envelope.descriptors[0]),
                                   std::move(envelope.descriptors[1]), handoff));
}

bool Worker::take_in_hand(std::optional<Client>& client) {
    while (!in_hand_.empty()) {
        client.emplace(std::move(in_hand_.back()));
        in_hand_.pop_back();
        if (claim(*client)) return true;
        free_notes_.push_back(client->handoff.note());
        client.reset();
    }
    return false;
}

/// Whether the master has not withdrawn the connection, which could be served by two workers otherwise. Each
/// side writes its own word and then reads the other's, sequentially consistent: either the master sees that
/// the connection is no longer only queued, or the worker sees that it is withdrawn. Both may happen, and the
/// master may have looked before the worker had said anything: so a worker always says that it declines, and
/// the master has the connection back by then at the latest.
bool Worker::claim(Client& client) noexcept {
    HandoffProgress& handoff = client.handoff;
    if (!handoff) return true;
    handoff.claim();
    if (pages_.withdrawn() < handoff.number()) return true;
    pages_.write({.number = handoff.number(), .kind = Completion::Kind::declined});
    pages_.publish();
    return false;
}

HandoffProgress Worker::note_received(const Message& message) noexcept {
    HandoffProgress handoff = note_of(message);
    handoff.receive(message.resumption, false);
    return handoff;
}

HandoffProgress Worker::note_of(const Message& message) noexcept {
    if (free_notes_.empty()) return {};
    HandoffProgress handoff{*free_notes_.back(), message.handoff};
    free_notes_.pop_back();
    return handoff;
}

std::optional<Client> Worker::next_accepted() {
    return acceptor_.next([this] { return leave(); });
}

Leave Worker::leave() const noexcept {
    return leave_ ? Leave::now : process_.leave();
}

void Worker::serve(Client client) noexcept {
    const std::uint64_t begun_ns = begin(client);
    ServerView view = process_.view(*this);
    view.handoff = client.handoff;
    if (process_.seat().owns_listeners && view.out_of_band != OutOfBand::off)  // Siblings inherit nothing.
        set_out_of_band(client.socket.get(), view.out_of_band);
    ServedConnection served{std::move(client.socket), view};
    served.go_on_from(client.resumption, std::move(client.file));
    served.connection().limits() = process_.seat().time_limits;
    if (!client.has_options) served.connection().set_socket_timeouts(process_.seat().slice);
    const LogsFor this_client = LogsFor::client(served.fd());
    bool threw = false;
    try {
        served.begin();
        const Next next = handle(served);
        if (next != Next::close)
            if (const auto completion = give_back(served, next, client.handoff))
                return end_turn(begun_ns, *completion, client.handoff);
    } catch (...) {
        threw = handler_failed();
    }
    end_forked_child();
    const Closed how = served.close();
    end(begun_ns, served, threw, client.handoff, how);
}

/// Calls the handler until it wants the connection closed or parked, and returns which. A connection that
/// can't be given back, or of which bytes already read would be lost, waits for its client here.
Next Worker::handle(ServedConnection& served) {
    for (;;) {
        const Next next = call_handler(served);
        if (next == Next::close || served.may_be_given_back()) return next;
        if (!served.wait_here(next == Next::await_input ? Await::input : Await::output)) return Next::close;
    }
}

Next Worker::call_handler(ServedConnection& served) {
    const Next next = handler_(served.connection());
    end_forked_child();
    if (next == Next::await_input) served.check_progress();
    return next;
}

/// Returns nothing if the connection must be closed instead, because no more requests will be answered or the
/// keeper has died.
std::optional<Completion> Worker::give_back(ServedConnection& served, Next next,
                                            const HandoffProgress& handoff) noexcept {
    Connection& connection = served.connection();
    Completion completion{.number = handoff.number(),
                          .kind = Completion::Kind::parked,
                          .exchanged = served.exchanged(),
                          .resumption = {.parking = served.parking(), .state = connection.state()}};
    Parking& parking = completion.resumption.parking;
    parking.what = next == Next::await_input ? Await::input : Await::output;
    if (served.stopping() && served.exchanged() && parking.limit == Limit::idle) return {};
    if (!handoff || process_.is_orphan()) return {};
    served.tidy();
    const auto file = pass_file(served, handoff);
    if (!file) return {};
    completion.file = *file;
    served.release();
    return completion;
}

/// Sends the connection's file to the master, unless that has it already. Returns nothing if the master is
/// dead.
std::optional<Completion::File> Worker::pass_file(ServedConnection& served,
                                                  const HandoffProgress& handoff) noexcept {
    if (!served.connection().file()) return Completion::File::none;
    if (served.has_file_from_before()) return Completion::File::same;
    const Message message{
        .kind = MessageKind::file, .generation = process_.seat().generation, .handoff = handoff.number()};
    const std::array<int, 1> descriptor{served.connection().file().get()};
    for (;;) {
        switch (send_message(channel_, message, descriptor)) {
            case Sent::sent: return Completion::File::passed;
            case Sent::closed: return {};
            case Sent::would_block: {  // Too many descriptors are in flight (unix(7), ETOOMANYREFS).
                constexpr useconds_t until_some_have_arrived_us = 1000;
                ::usleep(until_some_have_arrived_us);
            }
        }
    }
}

/// As end(), for a connection that was given back.
void Worker::end_turn(std::uint64_t begun_ns, const Completion& completion,
                      HandoffProgress handoff) noexcept {
    stop_working(begun_ns);
    free_notes_.push_back(handoff.note());
    pages_.write(completion);
    add(row_.returned);
    pages_.publish();
    const ScoreboardHeader& header = process_.header();
    if (header.wake_on_return.load(std::memory_order_seq_cst) == 0) return;
    // While clients wait for workers, a worker wakes the master only when it falls idle.
    if (header.wanted.load(relaxed) == 0 || header.wake_on_room.load(relaxed) == 0) process_.wake_master();
}

std::uint64_t Worker::begin(const Client& client) noexcept {
    if (process_.seat().delivery == Delivery::accept) count_accepted(1);
    const std::uint64_t begun_ns = monotonic_ns();
    add(row_.begun);
    if (serving_++ == 0) start_working(begun_ns);
    row_.queue_wait.record(begun_ns - std::min(begun_ns, client.since_ns));
    return begun_ns;
}

void Worker::count_accepted(std::size_t count) noexcept {
    add(row_.accepted, count);
    if (process_.header().wake_on_room.load(relaxed) != 0)
        process_.wake_master();  // The pool may have to grow.
}

/// The sizer of a crew looks at the activity before it sleeps; note_change() looks whether it sleeps.
void Worker::start_working(std::uint64_t now_ns) noexcept {
    serving_since_ns_ = now_ns;
    row_.begun_at_ns.store(now_ns, relaxed);
    row_.note.begun_ns.store(now_ns, relaxed);
    row_.note.write({});
    row_.activity.store(static_cast<std::uint32_t>(Activity::busy), std::memory_order_seq_cst);
    process_.note_change();
}

/// Where the master hands off, it learns of the end from the completion, by which the slot has room again.
/// The accesses are sequentially consistent: either the master sees the completion before it blocks, or the
/// worker sees, before it waits, that the master wants to be woken. An orphan tells nobody.
void Worker::end(std::uint64_t begun_ns, SharedCounter& outcome, HandoffProgress handoff,
                 Closed how) noexcept {
    stop_working(begun_ns);
    if (!handoff) return count_here(outcome);
    free_notes_.push_back(handoff.note());
    const bool told = !process_.is_orphan();
    if (told)
        pages_.write({.number = handoff.number(),
                      .kind = how == Closed::reset ? Completion::Kind::reset : Completion::Kind::ended});
    add(outcome);
    if (told) pages_.publish();
    if (how == Closed::reset) process_.wake_master();  // The client waits for the master's close.
}

/// Where no master waits for a completion.
void Worker::count_here(SharedCounter& outcome) noexcept {
    add(outcome);
    row_.finished.store(row_.finished.load(relaxed) + 1, std::memory_order_seq_cst);
}

void Worker::stop_working(std::uint64_t begun_ns) noexcept {
    const std::uint64_t now_ns = monotonic_ns();
    row_.service.record(now_ns - begun_ns);
    if (--serving_ == 0) rest(now_ns);
}

void Worker::rest(std::uint64_t now_ns) noexcept {
    add(row_.busy_ns, now_ns - serving_since_ns_);
    row_.begun_at_ns.store(0, relaxed);
    row_.note.begun_ns.store(0, relaxed);
    set_idle();
    process_.note_change();
}

std::uint64_t Worker::begin_datagram(std::uint64_t received_ns) noexcept {
    const std::uint64_t begun_ns = monotonic_ns();
    add(row_.begun);
    if (serving_ == 0) {
        serving_ = 1;
        start_working(begun_ns);
    } else {
        row_.note.begun_ns.store(begun_ns, relaxed);
        row_.note.write({});
    }
    row_.queue_wait.record(begun_ns - std::min(begun_ns, received_ns));
    return begun_ns;
}

void Worker::end_datagram(std::uint64_t begun_ns, bool good) noexcept {
    row_.service.record(monotonic_ns() - begun_ns);
    row_.note.begun_ns.store(0, relaxed);
    count_here(good ? row_.completed : row_.failed);
}

void Worker::refuse_datagram() noexcept {
    add(row_.begun);
    count_here(row_.completed);
}

void Worker::end_batch() noexcept {
    if (serving_ == 0) return;
    serving_ = 0;
    rest(monotonic_ns());
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
    } catch (const SpinningHandler& error) {
        log(LogLevel::warning, error.what());
    } catch (const std::exception& error) {
        log(LogLevel::warning, "handler threw: " + std::string{error.what()});
    } catch (...) {
        log(LogLevel::warning, "handler threw a non-std exception");
    }
    return true;
}

}  // namespace bullpen
