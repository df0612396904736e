#include "pool/worker.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <exception>
#include <string>

#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/process.hpp"

namespace bullpen {
namespace {

/// What the SIGTERM handler needs. A worker's process has one worker.
struct StopOrder {
    std::atomic<std::uint32_t> given{0};
    std::array<int, listeners_max> waited_on{};  ///< Where the worker may be blocked.
    std::size_t waited_on_count = 0;
    bool accepts = false;
    pid_t master = 0;
    unsigned drain_timeout_s = 0;
};
StopOrder stop_order;

/// Lets a wait end, also one that is just about to begin: the flag alone would be missed by a worker between
/// looking at it and blocking. O_NONBLOCK sits on the open file, which outlives the worker; the slot's next
/// occupant, and the pool for its listeners, switch it off again. Async-signal-safe calls only.
void on_sigterm(int) {
    const int saved = errno;
    stop_order.given = 1;
    const bool orphan = ::getppid() != stop_order.master;
    for (std::size_t i = 0; i < stop_order.waited_on_count; ++i) {
        const int fd = stop_order.waited_on[i];
        ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
        if (orphan && stop_order.accepts) Listener::drop_new_syns(fd);  // A new server can have the port now.
    }
    if (orphan) ::alarm(stop_order.drain_timeout_s);  // Nobody else would end a worker that never finishes.
    errno = saved;
}

void handle(int signal, void (*action)(int), int flags) {
    struct sigaction installed {};
    installed.sa_handler = action;
    installed.sa_flags = flags;
    ::sigaction(signal, &installed, nullptr);
}

void wake_master(int eventfd) noexcept {
    constexpr std::uint64_t one = 1;
    [[maybe_unused]] const auto ignored = ::write(eventfd, &one, sizeof one);
}

}  // namespace

Worker::Worker(const WorkerSeat& seat, Scoreboard& scoreboard, const Handler& handler)
    : seat_{seat}, header_{scoreboard.header()}, row_{scoreboard.row(seat.slot)}, handler_{handler} {
    stop_order.master = seat.master;
    stop_order.drain_timeout_s = static_cast<unsigned>(std::max<std::int64_t>(1, seat.drain_timeout.count()));
    if (seat.channel >= 0) {
        stop_order.waited_on[stop_order.waited_on_count++] = seat.channel;
    } else if (seat.accepts) {
        stop_order.accepts = true;
        for (const Listener& listener : seat.listeners)
            stop_order.waited_on[stop_order.waited_on_count++] = listener.fd();
    }
    if (stop_order.waited_on_count == 1) {  // Left behind by this slot's former occupant, see on_sigterm.
        const int fd = stop_order.waited_on[0];
        ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    }
    if (seat.batch) {
        const sched_param no_priority{};
        ::sched_setscheduler(0, SCHED_BATCH, &no_priority);
    }
    handle(SIGTERM, on_sigterm, 0);  // Without SA_RESTART: a wait is to end.
    for (const int number : {SIGINT, SIGQUIT, SIGHUP})
        handle(number, SIG_IGN, 0);  // For the master to decide.
    handle(SIGPIPE, SIG_IGN, 0);     // sendfile(2) has no MSG_NOSIGNAL.
    const bool orphan = !die_with_parent(SIGTERM, seat.master);
    unblock_signals();
    if (orphan) on_sigterm(SIGTERM);
}

void Worker::ready() noexcept {
    row_.activity.store(static_cast<std::uint32_t>(Activity::idle), std::memory_order_relaxed);
    row_.ready_generation.store(seat_.generation, std::memory_order_seq_cst);
    wake_master(seat_.wake);
}

std::optional<Client> Worker::next_handed_off() {
    for (;;) {
        Envelope envelope;
        switch (receive_message(seat_.channel, envelope, Wait::until_message)) {
            case Received::message: break;
            case Received::empty:
                if (stop_order.given != 0) return {};
                continue;
            case Received::closed: return {};
            case Received::truncated: ::_exit(worker_exit_descriptors);
            case Received::malformed: log(LogLevel::error, "malformed message on the channel"); continue;
        }
        if (envelope.message.kind == MessageKind::retire) {
            if (envelope.message.generation == seat_.generation) return {};
            continue;  // It was meant for an earlier occupant of this slot.
        }
        if (envelope.message.kind == MessageKind::answer) {
            row_.answers.fetch_add(1, std::memory_order_seq_cst);
            wake_master(seat_.wake);
            continue;
        }
        if (envelope.message.kind != MessageKind::connection || !envelope.descriptors[0]) continue;
        return unpack(std::move(envelope));
    }
}

/// Blocks until a listener has a client. With one listener there is nothing to wait for here: accept does.
bool Worker::wait_for_client() {
    std::array<pollfd, listeners_max> polled{};
    for (std::size_t i = 0; i < seat_.listeners.size(); ++i)
        polled[i] = {.fd = seat_.listeners[i].fd(), .events = POLLIN, .revents = 0};
    // The order to stop may come just before the poll: then this wait is the last that ends by itself.
    constexpr int bounded_ms = 1000;
    if (::poll(polled.data(), seat_.listeners.size(), stop_order.given != 0 ? 0 : bounded_ms) <= 0)
        return false;
    while (polled[ready_listener_].revents == 0)
        ready_listener_ = (ready_listener_ + 1) % seat_.listeners.size();
    return true;
}

std::optional<Client> Worker::next_accepted() {
    for (;;) {
        const bool several = seat_.listeners.size() > 1;
        if (several && !wait_for_client()) {
            if (stop_order.given != 0) return {};
            continue;
        }
        const Listener& listener = seat_.listeners[ready_listener_];
        UniqueFd socket{::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC)};
        if (socket) {
            add(row_.accepted);
            if (several) ready_listener_ = (ready_listener_ + 1) % seat_.listeners.size();
            return Client{adopt(std::move(socket), listener.address().family() != AF_UNIX), monotonic_ns()};
        }
        if (stop_order.given != 0 && (errno == EAGAIN || errno == EBADF || errno == EINVAL)) {
            if (!several || !wait_for_client()) return {};
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            constexpr useconds_t pause_us = 100'000;
            log(LogLevel::warning, "cannot accept: out of descriptors or memory; trying again");
            ::usleep(pause_us);
        }
    }
}

void Worker::set_forked_for(Envelope envelope) noexcept {
    forked_for_.emplace(unpack(std::move(envelope)));
}

std::optional<Client> Worker::forked_for() noexcept {
    return std::exchange(forked_for_, std::nullopt);
}

Client Worker::unpack(Envelope envelope) const noexcept {
    const std::size_t from = envelope.message.listener;
    const bool tcp = from < seat_.listeners.size() && seat_.listeners[from].address().family() != AF_UNIX;
    Client client{adopt(std::move(envelope.descriptors[0]), tcp), envelope.message.accepted_ns};
    client.connection.state() = envelope.message.state;
    return client;
}

Connection Worker::adopt(UniqueFd socket, bool inherits_options) const noexcept {
    Connection connection{
        std::move(socket),
        {.spare = &header_.spare, .draining = &header_.draining, .leaving = &stop_order.given}};
    if (!inherits_options) connection.set_socket_timeouts();
    return connection;
}

void Worker::serve(Client client) noexcept {
    const std::uint64_t begun_ns = monotonic_ns();
    add(row_.begun);
    row_.begun_at_ns.store(begun_ns, std::memory_order_relaxed);
    row_.activity.store(static_cast<std::uint32_t>(Activity::busy), std::memory_order_relaxed);
    row_.queue_wait.record(begun_ns - std::min(begun_ns, client.accepted_ns));

    SharedCounter* outcome = &row_.completed;
    try {
        handler_(client.connection);
    } catch (const ClientGone&) {
    } catch (const TimedOut&) {
    } catch (const std::exception& error) {
        outcome = &row_.failed;
        log(LogLevel::warning, "the handler threw: " + std::string{error.what()});
    } catch (...) {
        outcome = &row_.failed;
        log(LogLevel::warning, "the handler threw something that is no std::exception");
    }
    if (client.connection.exceeded() == Limit::read) outcome = &row_.timed_out_read;
    if (client.connection.exceeded() == Limit::write) outcome = &row_.timed_out_write;
    if (client.connection.client_gone()) outcome = &row_.client_aborted;
    client.connection.close();

    const std::uint64_t served_ns = monotonic_ns() - begun_ns;
    row_.service.record(served_ns);
    add(row_.busy_ns, served_ns);
    row_.begun_at_ns.store(0, std::memory_order_relaxed);
    row_.activity.store(static_cast<std::uint32_t>(Activity::idle), std::memory_order_relaxed);
    add(*outcome);
    // From here on the slot is free. Both sides are sequentially consistent: either the master sees this
    // count before it blocks, or we see that it waits.
    row_.finished.store(row_.finished.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
    if (header_.waiting.load(std::memory_order_seq_cst) != 0) wake_master(seat_.wake);
}

}  // namespace bullpen
