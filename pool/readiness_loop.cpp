#include "pool/readiness_loop.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "core/log.hpp"
#include "pool/acceptor.hpp"
#include "pool/forked_child.hpp"

namespace bullpen {
namespace {

/// What the handlers are told: that they are called in turns, and that nobody waits for a moment.
ServerView view_in_turns(const WorkerProcess& process, const Worker& worker) noexcept {
    ServerView view = process.view(worker);
    view.parks = view.parks_files = view.takes_turns = true;
    view.await_next = std::chrono::milliseconds{0};
    view.awaiting_since_ns = nullptr;
    view.spare = nullptr;  // The one worker is never idle while it has clients, and has room all the same.
    return view;
}

}  // namespace

ReadinessLoop::ReadinessLoop(WorkerProcess& process, ReadinessSource& source)
    : process_{process},
      worker_{process.worker()},
      source_{source},
      view_{view_in_turns(process, worker_)},
      order_{WorkerProcess::leave_signal()} {
    for (const Listener& listener : process.seat().listeners)
        entrances_.push_back({.fd = listener.fd(), .has_options = listener.address().family() != AF_UNIX});
    run_in_children([this] { drop_others(); });
}

void ReadinessLoop::run() {
    if (!source_.watch_shared(order_))
        throw std::system_error{errno, std::generic_category(), "cannot watch for the order to leave"};
    worker_.ready();
    while (!is_over()) {
        watch_entrances();
        const auto ready = source_.wait(time_to_next_look());  // The only line that blocks.
        now_ = Clock::now();
        for (const int fd : ready)
            attend(fd);
        ring_alarms();
        if (leaving_) make_way();
    }
}

void ReadinessLoop::attend(int fd) {
    if (fd == order_) return notice_order();
    if (const auto client = clients_.find(fd); client != clients_.end()) return take_turn(client->second);
    for (Entrance& entrance : entrances_)
        if (entrance.fd == fd) accept_from(entrance);
}

void ReadinessLoop::take_turn(KeptConnection& client) {
    const LogsFor this_client = LogsFor::client(client.fd());
    Next next = Next::close;
    bool threw = false;
    turn_of_ = client.fd();
    client.served().begin_turn();
    try {
        next = worker_.call_handler(client.served());
    } catch (...) {
        threw = handler_failed();
    }
    end_forked_child();
    if (next == Next::close) return end(client, threw);
    keep(client, next == Next::await_input ? Await::input : Await::output);
}

/// In a child process that a handler forks: what isn't its client's.
void ReadinessLoop::drop_others() noexcept {
    for (auto& [fd, client] : clients_)
        if (fd != turn_of_) client.served().release();
}

void ReadinessLoop::keep(KeptConnection& client, Await what) {
    client.park(what, now_);
    if (is_let_go(client)) return end(client, false);
    const PoolOptions& options = process_.options();
    const auto pause = client.pause(options.drip_pause_min, options.drip_pause_max);
    client.rests = pause.count() > 0;
    if (!client.rests) return watch(client);
    source_.forget(client.fd());
    set_alarm(client, std::min<TimePoint>(now_ + pause, due(client)));
}

void ReadinessLoop::watch(KeptConnection& client) {
    if (!source_.watch(client.fd(), client.awaits())) {
        log(LogLevel::warning, "cannot watch a connection: " + std::string{std::strerror(errno)});
        return end(client, true);
    }
    set_alarm(client, due(client));
}

void ReadinessLoop::end(KeptConnection& client, bool threw) noexcept {
    const int fd = client.fd();
    alarms_.erase({client.alarm, fd});
    source_.forget(fd);
    const Closed how = client.served().close();
    worker_.end(client.begun_ns(), client.served(), threw, {}, how);
    worker_.wake_waiting_master();
    clients_.erase(fd);
}

// Clients that come.

/// A listener is watched where a client can be taken in.
void ReadinessLoop::watch_entrances() noexcept {
    const bool open = has_room() && now_ >= accept_again_;
    for (Entrance& entrance : entrances_) {
        const bool wanted = open && !entrance.is_shut;
        if (wanted == entrance.is_watched) continue;
        if (!wanted) source_.forget(entrance.fd);
        entrance.is_watched = wanted && source_.watch_shared(entrance.fd);
    }
}

void ReadinessLoop::accept_from(Entrance& entrance) {
    constexpr int at_once = 16;  // Then it is the turn of those that are here.
    for (int i = 0; i < at_once && has_room(); ++i) {
        UniqueFd socket{::accept4(entrance.fd, nullptr, nullptr, SOCK_CLOEXEC)};
        if (socket) {
            start(std::move(socket), entrance.has_options);
            continue;
        }
        if (is_shortage(errno)) {
            constexpr std::chrono::milliseconds pause{100};
            log(LogLevel::warning, "cannot accept: out of descriptors or memory; trying again");
            accept_again_ = now_ + pause;
            return;
        }
        const bool nobody_came = errno == EAGAIN || errno == EINVAL;  // See Listener::stop_new_clients().
        if (nobody_came) entrance.is_shut = worker_.leave() != Leave::no;
        if (nobody_came) return;
    }
}

/// Its first turn is at once: it may have spoken already, or the service speaks first.
void ReadinessLoop::start(UniqueFd socket, bool has_options) {
    const int fd = socket.get();
    Client client{.socket = std::move(socket), .since_ns = monotonic_ns(), .has_options = has_options};
    const std::uint64_t begun_ns = worker_.begin(client);
    const auto started =
        clients_.try_emplace(fd, std::move(client), view_, process_.seat().time_limits, begun_ns);
    take_turn(started.first->second);
}

bool ReadinessLoop::has_room() const noexcept {
    return clients_.size() < static_cast<std::size_t>(process_.seat().capacity);
}

// Clients that don't come, and stop.

void ReadinessLoop::set_alarm(KeptConnection& client, TimePoint when) {
    auto node = alarms_.extract({client.alarm, client.fd()});
    client.alarm = when;
    if (node.empty()) {
        alarms_.emplace(when, client.fd());
    } else {
        node.value() = {when, client.fd()};
        alarms_.insert(std::move(node));
    }
}

/// Each rings once in a round, also if its next one is due already.
void ReadinessLoop::ring_alarms() {
    due_.clear();
    for (auto alarm = alarms_.begin(); alarm != alarms_.end() && alarm->first <= now_; ++alarm)
        due_.push_back(alarm->second);
    for (const int fd : due_)
        ring(clients_.at(fd));
}

/// A client is looked at once more, because the server may be late and not the client.
void ReadinessLoop::ring(KeptConnection& client) {
    const bool is_due = due(client) <= now_;
    if (!is_due && std::exchange(client.rests, false)) return watch(client);
    if (!is_due) return set_alarm(client, due(client));
    if (client.is_ready()) return take_turn(client);
    if (!is_let_go(client) && client.is_steady(now_)) return set_alarm(client, due(client));
    if (!is_let_go(client)) client.set_exceeded();
    end(client, false);
}

TimePoint ReadinessLoop::due(KeptConnection& client) const noexcept {
    if (is_let_go(client)) return now_;
    const bool silent = stop_until_ && !client.served().exchanged();
    return silent ? std::min(client.deadline(), *stop_until_) : client.deadline();
}

// The order to leave.

void ReadinessLoop::notice_order() {
    source_.forget(order_);
    leaving_ = true;
}

/// In each round from the order on, because only a word in the scoreboard says that the whole server stops,
/// too, and a backlog is found empty by an accept only.
void ReadinessLoop::make_way() {
    const Leave leave = worker_.leave();
    for (Entrance& entrance : entrances_) {
        if (leave == Leave::now) entrance.is_shut = true;
        if (!entrance.is_shut && now_ >= accept_again_) accept_from(entrance);
    }
    if (!stop_until_ && leave == Leave::when_empty) stop_until_ = now_ + process_.seat().stop_patience;
    for (auto& [fd, client] : clients_)
        set_alarm(client, client.rests ? std::min(client.alarm, due(client)) : due(client));
}

/// No more requests of this client will be answered.
bool ReadinessLoop::is_let_go(KeptConnection& client) const noexcept {
    return client.is_idle() && client.served().exchanged() && client.served().connection().draining();
}

bool ReadinessLoop::is_over() const noexcept {
    const auto is_shut = [](const Entrance& entrance) { return entrance.is_shut; };
    return leaving_ && clients_.empty() && std::all_of(entrances_.begin(), entrances_.end(), is_shut);
}

/// Nothing: only what comes is worth a look.
std::optional<std::chrono::nanoseconds> ReadinessLoop::time_to_next_look() const noexcept {
    constexpr std::chrono::milliseconds between_looks_at_stop{250};
    const TimePoint now = Clock::now();
    TimePoint next = TimePoint::max();
    if (!alarms_.empty()) next = alarms_.begin()->first;
    if (accept_again_ > now_) next = std::min(next, accept_again_);
    if (leaving_) next = std::min<TimePoint>(next, now + between_looks_at_stop);
    if (next == TimePoint::max()) return {};
    return std::max<std::chrono::nanoseconds>(next - now, std::chrono::nanoseconds{0});
}

}  // namespace bullpen
