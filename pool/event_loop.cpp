#include "pool/event_loop.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <deque>
#include <exception>
#include <list>
#include <string>
#include <vector>

#include <bullpen/async_connection.hpp>
#include <bullpen/clock.hpp>
#include "core/log.hpp"
#include "core/process.hpp"
#include "pool/acceptor.hpp"
#include "pool/forked_child.hpp"
#include "pool/worker_process.hpp"

namespace bullpen {

namespace asio = boost::asio;

/// Waits on a borrowed descriptor.
class Borrowed {
public:
    Borrowed(asio::io_context& loop, int fd) : descriptor_{loop, fd} {}
    ~Borrowed() { (void)descriptor_.release(); }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;

    asio::awaitable<void> readable() {
        boost::system::error_code cancelled;
        co_await descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                                        asio::redirect_error(asio::use_awaitable, cancelled));
    }
    void cancel() {
        boost::system::error_code ignored;
        descriptor_.cancel(ignored);
    }

private:
    asio::posix::stream_descriptor descriptor_;
};

struct EventLoop::Machinery {
    explicit Machinery(WorkerProcess& of)
        : process{of}, worker{of.worker()}, order{loop, of.leave_signal()}, room{loop} {
        room.expires_at(asio::steady_timer::time_point::max());
        asio::co_spawn(loop, obey(), asio::detached);
    }

    asio::awaitable<void> obey();
    asio::awaitable<void> accept_from(const Listener& listener, Borrowed& readiness);
    asio::awaitable<void> receive_from(Borrowed& channel);
    asio::awaitable<void> serve(Client client);
    asio::awaitable<void> pause(std::chrono::milliseconds span);
    asio::awaitable<void> until_there_is_room();
    void notice_drain() noexcept;
    asio::awaitable<void> watch_for_stop();
    void start(Client client);
    void end_source() noexcept;
    void stop_when_done();

    WorkerProcess& process;
    Worker& worker;
    asio::io_context loop{1};
    Borrowed order;                ///< Readable once it is time to leave.
    std::deque<Borrowed> sources;  ///< The channel or the listeners, from which clients come.
    asio::steady_timer room;       ///< Never expires; cancelled when there is room for one more client.
    int open_sources = 0;
    int serving = 0;
    bool watching = false;                    ///< watch_for_stop() runs.
    asio::steady_timer next_look{loop};       ///< When watch_for_stop() looks again.
    std::list<AsyncConnection*> connections;  ///< All that are served now.
};

/// The descriptors that the loop opens here are kept from forked children, which otherwise could serve on.
EventLoop::EventLoop(WorkerProcess& process) {
    const std::vector<int> before = list_descriptors();
    machinery_ = std::make_unique<Machinery>(process);
    for (const int fd : list_descriptors())
        if (std::find(before.begin(), before.end(), fd) == before.end()) keep_from_children(fd);
    run_in_children([loop = &machinery_->loop] { loop->stop(); });
}

EventLoop::~EventLoop() = default;

void EventLoop::accept_clients() {
    for (const Listener& listener : machinery_->process.seat().listeners) {
        Borrowed& readiness = machinery_->sources.emplace_back(machinery_->loop, listener.fd());
        ++machinery_->open_sources;
        asio::co_spawn(machinery_->loop, machinery_->accept_from(listener, readiness), asio::detached);
    }
}

void EventLoop::receive_clients() {
    Borrowed& channel = machinery_->sources.emplace_back(machinery_->loop, machinery_->worker.channel());
    ++machinery_->open_sources;
    asio::co_spawn(machinery_->loop, machinery_->receive_from(channel), asio::detached);
}

void EventLoop::run() {
    machinery_->worker.ready();
    machinery_->loop.run();
    end_forked_child();
}

/// Waits for the order to leave, and then ends the waits for clients.
asio::awaitable<void> EventLoop::Machinery::obey() {
    co_await order.readable();
    for (Borrowed& source : sources)
        source.cancel();
    room.cancel();
    notice_drain();
}

void EventLoop::Machinery::notice_drain() noexcept {
    for (AsyncConnection* connection : connections)
        connection->notice_drain();
}

asio::awaitable<void> EventLoop::Machinery::accept_from(const Listener& listener, Borrowed& readiness) {
    while (worker.leave() != Leave::now) {
        if (serving >= process.seat().capacity) {
            co_await until_there_is_room();
            continue;
        }
        UniqueFd socket{::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
        if (socket) {
            start({.socket = std::move(socket),
                   .since_ns = monotonic_ns(),
                   .has_options = listener.address().family() != AF_UNIX});
        } else if (is_shortage(errno)) {
            log(LogLevel::warning, "cannot accept: out of descriptors or memory; trying again");
            co_await pause(std::chrono::milliseconds{100});
        } else if ((errno == EAGAIN || errno == EINVAL) && worker.leave() != Leave::no) {
            break;
        }
        if (worker.leave() == Leave::no) co_await readiness.readable();
    }
    end_source();
}

asio::awaitable<void> EventLoop::Machinery::receive_from(Borrowed& channel) {
    for (bool waited = false;;) {
        Worker::Polled polled = worker.poll_handed_off();
        if (polled.leave) break;
        if (polled.client) {
            start(std::move(*polled.client));
            waited = false;
            continue;
        }
        constexpr std::chrono::milliseconds until_there_is_memory{1};
        if (waited) co_await pause(until_there_is_memory);  // A message is there and can't be received yet.
        co_await channel.readable();
        waited = true;
    }
    notice_drain();
    end_source();
}

/// Looks once a second, while there are connections, whether the whole server stops: only a word in the
/// scoreboard's header says so, unlike the order to leave, which is a signal.
asio::awaitable<void> EventLoop::Machinery::watch_for_stop() {
    constexpr std::chrono::milliseconds between_looks{1000};
    while (serving > 0 && process.header().draining.load() == 0) {
        boost::system::error_code cancelled;
        next_look.expires_after(between_looks);
        co_await next_look.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    }
    watching = false;
    notice_drain();
}

void EventLoop::Machinery::start(Client client) {
    ++serving;
    if (!std::exchange(watching, true)) asio::co_spawn(loop, watch_for_stop(), asio::detached);
    asio::co_spawn(loop, serve(std::move(client)), asio::detached);
}

asio::awaitable<void> EventLoop::Machinery::serve(Client client) {
    const std::uint64_t begun_ns = worker.begin(client);
    ServerView view = process.view(worker);
    view.tells_drain = true;
    view.handoff = client.handoff;
    const int socket = client.socket.get();
    AsyncConnection connection{loop.get_executor(), std::move(client.socket), view};
    connection.state() = client.resumption.state;
    connection.limits() = process.seat().time_limits;
    const auto entry = connections.insert(connections.end(), &connection);
    bool threw = false;
    connection.begin();
    try {
        co_await process.async_handler()(connection);
    } catch (...) {
        const LogsFor this_client = LogsFor::client(socket);
        threw = handler_failed();
    }
    end_forked_child();
    connections.erase(entry);
    const Closed how = connection.close();
    worker.end(begun_ns, connection, threw, client.handoff, how);
    worker.wake_waiting_master();
    if (serving-- == process.seat().capacity) room.cancel();
    stop_when_done();
}

/// Waits until there is room for one more client, or it is time to leave.
asio::awaitable<void> EventLoop::Machinery::until_there_is_room() {
    boost::system::error_code cancelled;
    co_await room.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

asio::awaitable<void> EventLoop::Machinery::pause(std::chrono::milliseconds span) {
    asio::steady_timer timer{loop, span};
    co_await timer.async_wait(asio::use_awaitable);
}

void EventLoop::Machinery::end_source() noexcept {
    --open_sources;
    stop_when_done();
}

void EventLoop::Machinery::stop_when_done() {
    if (serving == 0) next_look.cancel();
    if (open_sources == 0 && serving == 0) loop.stop();
}

}  // namespace bullpen
