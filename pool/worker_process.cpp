#include "pool/worker_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>

#include <bullpen/clock.hpp>
#include "core/log.hpp"
#include "core/meaningless_signals.hpp"
#include "core/order_requests.hpp"
#include "core/process.hpp"
#include "core/run_as.hpp"
#include "core/standard_descriptors.hpp"
#include "core/thread.hpp"
#include "pool/forked_child.hpp"
#include "pool/orders.hpp"

namespace bullpen {
namespace {

/// The data of the SIGTERM handler.
struct StopOrder {
    std::atomic<std::uint32_t> given{0};
    pid_t to = 0;  ///< The worker's process.
    std::atomic<bool> waits_for_turn{false};
    std::vector<int> waited_on;  ///< The descriptors on which the process may block.
    bool accepts = false;
    bool owns_listeners = false;
    const SharedWord* draining = nullptr;
    pid_t keeper = 0;
    unsigned drain_timeout_s = 0;
    std::atomic<int> signal_fd{-1};  ///< See WorkerProcess::leave_signal().
};
StopOrder stop_order;

bool orphaned() noexcept {
    return ::getppid() != stop_order.keeper;
}

/// Ends the process's wait, also one that is about to begin: a worker between looking at the flag and
/// blocking would miss the flag alone, so O_NONBLOCK is set. It belongs to the open file, which outlives the
/// worker; the slot's next occupant clears it on a channel. A listener is shared with workers that stay, so
/// it is set there only if all leave; an accept4 that begins meanwhile returns after a slice. No signal ends
/// the wait for a mutex, so a worker that waits for its turn at accept, and has no client, exits from here.
/// Calls only async-signal-safe functions.
void on_sigterm(int) {
    const int saved = errno;
    if (::getpid() != stop_order.to) return;  // A child made without fork handlers: the order isn't for it.
    const bool orphan = orphaned();
    stop_order.given = orphan ? ServerView::orphaned : ServerView::alone;
    const bool all_leave =
        !stop_order.accepts || stop_order.owns_listeners || orphan || stop_order.draining->load() != 0;
    if (!all_leave && stop_order.waits_for_turn) ::_exit(worker_exit_retired);
    for (const int fd : stop_order.waited_on) {
        if (all_leave) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
        if (orphan && stop_order.accepts)
            Listener::drop_new_clients(fd);  // A new server can have the port now.
    }
    constexpr std::uint64_t one = 1;
    if (stop_order.signal_fd >= 0) (void)!::write(stop_order.signal_fd, &one, sizeof one);
    if (orphan) {  // No keeper is left, nor a master to kill a worker that never ends.
        ::signal(SIGALRM, SIG_DFL);
        ::alarm(stop_order.drain_timeout_s);
    }
    errno = saved;
}

void handle(int signal, void (*action)(int), int flags) {
    struct sigaction installed {};
    installed.sa_handler = action;
    installed.sa_flags = flags;
    ::sigaction(signal, &installed, nullptr);
}

/// Makes a waiting accept4 return after a slice. A UNIX listener gets the time-out here, because its clients
/// don't inherit it. TCP clients would inherit it, so a TCP listener without one (slice 0) is made
/// non-blocking.
void bound_accept(const Listener& listener, std::chrono::milliseconds slice) noexcept {
    timeval timeout{};
    socklen_t size = sizeof timeout;
    ::getsockopt(listener.fd(), SOL_SOCKET, SO_RCVTIMEO, &timeout, &size);
    if (timeout.tv_sec != 0 || timeout.tv_usec != 0) return;
    const auto us = std::chrono::microseconds{slice}.count();
    timeout = {.tv_sec = us / 1'000'000, .tv_usec = us % 1'000'000};
    if (listener.address().family() == AF_UNIX && us > 0)
        ::setsockopt(listener.fd(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    else
        ::fcntl(listener.fd(), F_SETFL, ::fcntl(listener.fd(), F_GETFL) | O_NONBLOCK);
}

void prepare_stop_order(const WorkerSeat& seat, const ScoreboardHeader& header) {
    stop_order.to = ::getpid();
    stop_order.keeper = seat.keeper;
    stop_order.drain_timeout_s = static_cast<unsigned>(std::max<std::int64_t>(1, seat.drain_timeout.count()));
    stop_order.draining = &header.draining;
    stop_order.accepts = seat.delivery == Delivery::accept;
    stop_order.owns_listeners = seat.owns_listeners;
    stop_order.waited_on = seat.channels;
    if (stop_order.accepts) {
        for (const Listener& listener : seat.listeners) {
            stop_order.waited_on.push_back(listener.fd());
            bound_accept(listener, seat.slice);
        }
    }
    for (const int channel : seat.channels)  // This slot's former occupant may have set it, see on_sigterm.
        ::fcntl(channel, F_SETFL, ::fcntl(channel, F_GETFL) & ~O_NONBLOCK);
}

/// A worker that accepts by itself tells the master nothing of single connections.
WorkerPages pages_of(Scoreboard& scoreboard, const WorkerSeat& seat, std::uint32_t index) noexcept {
    return seat.delivery == Delivery::accept ? WorkerPages{} : scoreboard.pages(seat.first_slot + index);
}

}  // namespace

WorkerProcess::WorkerProcess(const WorkerSeat& seat, Scoreboard& scoreboard, const PoolOptions& options)
    : seat_{seat},
      header_{scoreboard.header()},
      options_{options},
      idle_wait_{seat.delivery == Delivery::accept ? seat.listeners : std::span<const Listener>{}},
      acceptor_{seat.listeners, idle_wait_} {
    prepare_stop_order(seat_, header_);
    for (std::uint32_t i = 0; i < seat_.slots; ++i)
        workers_.emplace_back(*this, scoreboard.row(seat_.first_slot + i), pages_of(scoreboard, seat_, i),
                              seat_.channels.empty() ? -1 : seat_.channels[i]);
    for (std::uint32_t i = 0; i < seat_.slots; ++i)
        series_.emplace_back(scoreboard.series(seat_.first_slot + i), seat_.generation);
    metrics::count_in(&series_.front());
    count_for(0);
    if (seat_.batch) {
        const sched_param no_priority{};
        ::sched_setscheduler(0, SCHED_BATCH, &no_priority);
    }
    handle(SIGTERM, on_sigterm, 0);  // Without SA_RESTART, so that it ends a wait.
    for (const int number : terminal_signals)
        handle(number, SIG_IGN, 0);
    ignore_write_signals();  // sendfile(2) has no MSG_NOSIGNAL.
    make_threads_interruptible();
    keep_all_from_children(scoreboard.row_stride());
    const bool orphan = !die_with_parent(SIGTERM, seat_.keeper);
    unblock_signals();
    if (orphan) on_sigterm(SIGTERM);
}

WorkerContext WorkerProcess::context(std::uint32_t worker) const {
    return {.pool = options_.name, .slot = seat_.first_slot + worker};
}

void WorkerProcess::become_user() {
    become(*options_.run_as);
    if (!die_with_parent(SIGTERM, seat_.keeper)) on_sigterm(SIGTERM);  // The kernel has forgotten it.
}

bool WorkerProcess::prepare() noexcept {
    std::string what = "run_as";
    try {
        if (options_.run_as) become_user();
        what = "on_worker_start";
        WorkerContext of_process = context();
        if (options_.on_worker_start) options_.on_worker_start(of_process);
        what = "making the handler";
        if (options_.design.form == Form::asynchronous) async_handler_ = options_.async_handler(of_process);
        for (std::uint32_t i = 0; options_.design.form == Form::blocking && i < workers(); ++i) {
            WorkerContext of_worker = context(i);
            count_for(i);
            worker(i).serve_by(options_.handler(of_worker));
        }
        for (std::uint32_t i = 0; options_.design.form == Form::datagram && i < workers(); ++i) {
            WorkerContext of_worker = context(i);
            count_for(i);
            worker(i).serve_by(options_.datagram_handler(of_worker));
        }
        return true;
    } catch (const std::exception& error) {
        what += ": " + std::string{error.what()};
    } catch (...) {
        what += " threw a non-std exception";
    }
    worker().row().note.write(what);
    log(LogLevel::error, what);
    return false;
}

void WorkerProcess::finish() noexcept {
    try {
        WorkerContext of_process = context();
        if (options_.on_worker_stop) options_.on_worker_stop(of_process);
    } catch (const std::exception& error) {
        log(LogLevel::warning, "on_worker_stop threw: " + std::string{error.what()});
    } catch (...) {
        log(LogLevel::warning, "on_worker_stop threw a non-std exception");
    }
    std::fflush(stdout);
}

void WorkerProcess::keep_all_from_children(std::size_t row_stride) {
    run_in_children([this] {
        for (Worker& worker : workers_)
            worker.drop_in_hand();
    });
    for (const int signal : terminal_signals)
        keep_action_from_children(signal);
    for (const int signal : {SIGTERM, SIGPIPE, SIGXFSZ, SIGUSR2})
        keep_action_from_children(signal);
    run_in_children(restore_meaningless_signals);
    run_in_children(forget_order_requests);
    run_in_children(metrics::count_nothing);
    keep_from_children(&worker().row(), workers() * row_stride);
    keep_from_children(seat_.wake);
    keep_from_children(idle_wait_.fd());
    for (const int channel : seat_.channels)
        keep_from_children(channel);
    if (seat_.delivery == Delivery::accept)  // In other models the process has no listeners.
        for (const Listener& listener : seat_.listeners)
            keep_from_children(listener.fd());
    if (seat_.accept_lock != nullptr) keep_from_children(seat_.accept_lock->fd());
}

void WorkerProcess::ready() noexcept {
    for (Worker& worker : workers_)
        worker.announce_ready();
}

Leave WorkerProcess::leave() const noexcept {
    if (stop_order.given == 0) return Leave::no;
    if (seat_.delivery == Delivery::handoff) return Leave::when_empty;
    return seat_.owns_listeners || header_.draining != 0 || orphaned() ? Leave::when_empty : Leave::now;
}

std::optional<Client> WorkerProcess::accept() {
    return acceptor_.next([this] { return leave(); });
}

AcceptLock::Turn WorkerProcess::take_turn() {
    stop_order.waits_for_turn = true;
    AcceptLock::Turn turn = seat_.accept_lock->take_turn([this] { return leave() == Leave::now; });
    stop_order.waits_for_turn = false;
    return turn;
}

void WorkerProcess::wait_for_message(int channel) const noexcept {
    const BlockedOrders orders;
    if (leave() != Leave::no) return;
    pollfd readable{.fd = channel, .events = POLLIN, .revents = 0};
    ::ppoll(&readable, 1, nullptr, &orders.before());
}

void WorkerProcess::set_forked_for(const Message& message, UniqueFd socket) noexcept {
    forked_for_.emplace(unpack(message, std::move(socket), {}, worker().note_received(message)));
}

void WorkerProcess::wait_for(int fd) noexcept {
    const BlockedOrders orders;
    pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
    constexpr timespec soon{.tv_sec = 0, .tv_nsec = 50'000'000};
    ::ppoll(&readable, 1, stop_order.given != 0 ? &soon : nullptr, &orders.before());
}

int WorkerProcess::leave_signal() {
    if (stop_order.signal_fd < 0) {
        const int fd =
            ::eventfd(stop_order.given, EFD_CLOEXEC | EFD_NONBLOCK);  // Open until the process ends.
        if (fd < 0) throw std::system_error{errno, std::generic_category(), "cannot create an eventfd"};
        stop_order.signal_fd = fd;
        keep_from_children(fd);
    }
    return stop_order.signal_fd;
}

ServerView WorkerProcess::view(const Worker& worker) const noexcept {
    return {.spare = &header_.spare,
            .draining = &header_.draining,
            .wanted = &header_.wanted,
            .leaving = &stop_order.given,
            .note = &worker.row().note,
            .slice = seat_.slice,
            .parks = seat_.parks,
            .parks_files = seat_.parks_files,
            .in_hand = worker.in_hand(),
            .channel = worker.channel(),
            .await_next = seat_.await_next,
            .awaiting_since_ns = &worker.row().awaiting_since_ns,
            .stop_patience = seat_.stop_patience,
            .out_of_band = options_.oob};
}

bool WorkerProcess::is_orphan() noexcept {
    return stop_order.given == ServerView::orphaned;
}

void WorkerProcess::wake_master() const noexcept {
    constexpr std::uint64_t one = 1;
    [[maybe_unused]] const auto ignored = ::write(seat_.wake, &one, sizeof one);
}

Client WorkerProcess::unpack(const Message& message, UniqueFd socket, UniqueFd file,
                             HandoffProgress handoff) const noexcept {
    const std::size_t from = message.listener;
    const bool inherits =
        from < seat_.listeners.size() && seat_.listeners[from].address().family() != AF_UNIX;
    return {.socket = std::move(socket),
            .file = std::move(file),
            .since_ns = message.since_ns,
            .resumption = message.resumption,
            .handoff = handoff,
            .has_options = inherits};
}

void accept_and_serve(WorkerProcess& process) {
    Worker& worker = process.worker();
    worker.ready();
    while (auto client = worker.next_accepted())
        worker.serve(std::move(*client));
}

}  // namespace bullpen
