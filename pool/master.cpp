#include "pool/master.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/log.hpp"
#include "core/process.hpp"
#include "core/process_title.hpp"
#include "pool/keeper.hpp"
#include "pool/open_descriptors.hpp"
#include "pool/stray_order.hpp"

namespace bullpen {

namespace {

constexpr auto relaxed = std::memory_order_relaxed;

/// As waitpid(2) would give it.
int status_of(const siginfo_t& info) noexcept {
    constexpr int stopped = 0x7f;
    constexpr int continued = 0xffff;
    constexpr int core = 0x80;
    switch (info.si_code) {
        case CLD_EXITED: return (info.si_status & 0xff) << 8;
        case CLD_DUMPED: return info.si_status | core;
        case CLD_STOPPED:
        case CLD_TRAPPED: return info.si_status << 8 | stopped;
        case CLD_CONTINUED: return continued;
        default: return info.si_status;
    }
}

}  // namespace

Master::Master(MasterOptions options) : options_{std::move(options)} {
    options_.process_titles ? make_room_for_titles() : refuse_titles();
    descriptors_.disown(inheritance().channel());
    for (PoolOptions& pool : options_.pools)
        pools_.all().emplace_back(pool, inheritance().open(pool), options_.drain_timeout);
    options_.pools.clear();
    std::vector<DescriptorNeeds> needs;
    for (const Pool& pool : pools_.all())
        needs.push_back(pool.descriptor_needs(pool.options()));
    const std::size_t limit = raise_descriptor_limit();
    const std::vector<std::size_t> shares = share_descriptors(needs, limit, inherited().size());
    std::size_t i = 0;
    for (Pool& pool : pools_.all())
        pool.limit_connections(shares[i++], limit);
}

Master::~Master() = default;

int Master::run(const std::function<void()>& ready) {
    inheritance().close_rest();
    upgrade_.note_program();
    descriptors_.note_all();
    Keeper keeper{logbook_[0], news_.fd(), options_.master_timeout};
    const int result = keeper.run([&] { return serve(ready); }, [&] { reload_.put_into_effect(); });
    for (Pool& pool : pools_.all())
        (void)pool.forget_closed();
    descriptors_.close_others();  // The last master's.
    if (has_taken_over()) {
        book_.own_control_file();
        inheritance().forget_channel();
    }
    if (!has_successor()) return result;
    book_.leave_control_to_twin();
    return upgrade_.is_watched() ? keeper.accompany() : result;
}

int Master::serve(const std::function<void()>& ready) {
    // A turn that begins when a worker rests finds more to do than one that interrupts it.
    const BatchScheduling batch{std::all_of(pools().begin(), pools().end(), [](const Pool& pool) {
        return pool.options().scheduling == Scheduling::batch &&
               pool.options().design.delivery == Delivery::handoff;
    })};
    start(ready);
    TimePoint now = Clock::now();
    while (!finished()) {
        const TimePoint until = prepare_to_wait(now);
        const Wakeup wake = events_->wait_until(until);  // The only line that blocks.
        now = note_time(std::max(until, now));

        heed_orders(now);
        for (Pool* const pool : pools_.live())
            pool->note_progress(now);
        hear_keeper(now);
        look_after_children(wake, now);
        for (Pool* const pool : pools_.live()) {
            pool->end_overdue_workers(now);
            pool->relieve_stuck_workers(now);
            pool->attend_lobby(now);
            pool->hand_out_clients(now);
            pool->resize(now);
            if (!pool->is_serving()) pool->continue_stop(now);
            pool->publish(now);
        }
        upgrade_.move_clients(now);
        takeover_.attend(now);
        if (book_.phase() != Phase::stopping) pools_.note_finished();
        companions_.attend(now);
        reload_.attend(now);
        upgrade_.attend(now);
        if (reload_.makes_room()) return Keeper::made_room;
    }
    companions_.end();
    return settle_stop();
}

/// Does everything that can fail before the first fork, so that a failure leaves no process behind.
void Master::start(const std::function<void()>& ready) {
    set_process_title("bullpen: master");
    const TimePoint now = Clock::now();
    const auto announce = [this, &ready] {
        logbook_[0].is_ready.store(1, relaxed);
        ready();
        logbook_[0].has_announced.store(1, relaxed);
    };
    pools_.begin();
    if (logbook_[0].masters.load(relaxed) > 1) adopt(now);
    events_ = std::make_unique<Events>();
    news_.watch_by(*events_);
    if (logbook_[0].stops.load(relaxed) == 0) {
        stop_watch_.emplace(events_->watch(requests_.stop()));
        stop_watch_->arm();
    }
    reload_watch_.emplace(events_->watch(requests_.reload()));
    reload_watch_->arm();
    logbook_.keep_from_children();
    companions_.keep_from_children();
    for (Pool* const pool : pools_.live())
        pool->start(*events_, inherited(), now);
    reload_.start(*events_);
    upgrade_.start(*events_);
    takeover_.start(*events_, announce);
    if (!takeover_.is_awaited() && !has_successor()) book_.watch_by(*events_);
    companions_.attend(now);
    for (Pool* const pool : pools_.live())
        pool->start_workers(now);
    if (logbook_[0].has_announced.load(relaxed) == 0 && !takeover_.is_awaited()) announce();
    reload_.go_on(now);
}

/// Takes over from a master that has died. Nothing is opened before everybody has claimed what is there.
void Master::adopt(TimePoint now) {
    std::vector<int> opened = list_descriptors();
    std::erase_if(opened, [this](int fd) {
        const auto has_closed = [fd](const Pool& pool) { return pool.has_closed(fd); };
        return descriptors_.has(fd) && !takeover_.has_closed(fd) &&
               std::none_of(pools().begin(), pools().end(), has_closed);
    });
    OpenDescriptors open{std::move(opened)};
    upgrade_.adopt(open);
    companions_.adopt(open);
    for (Pool* const pool : pools_.live())
        pool->adopt(open, now);
    reload_.adopt(open);
    std::vector<UniqueFd> strays = open.strays();
    for (Pool* const pool : pools_.live())
        pool->go_on(strays, now);
    if (const auto stop = Logbook::StopWord::unpack(logbook_[0].stops.load(relaxed))) {
        SharedCounter& heard = logbook_[0].orders_heard[SIGINT];
        heard.store(std::max<std::uint64_t>(heard.load(relaxed), stop->interrupts), relaxed);
        book_.set_phase(Phase::stopping);
        stop_pools(stop->at_once, now);
    }
    upgrade_.go_on(now);
    news_.announce();  // Of orders that weren't heard.
}

bool Master::finished() const noexcept {
    return pools_.all_of_live([](const Pool& pool) { return pool.is_stopped(); });
}

TimePoint Master::prepare_to_wait(TimePoint now) noexcept {
    add(logbook_[0].turns);
    news_.arm();
    if (logbook_[0].next_report()) return TimePoint::min();
    takeover_.prepare_to_wait();
    TimePoint until =
        std::min({book_.prepare_to_wait(now), reload_.prepare_to_wait(), upgrade_.prepare_to_wait(now)});
    for (Pool* const pool : pools_.live())
        until = std::min(until, pool->prepare_to_wait(now));
    return std::min(until, companions_.prepare_to_wait());
}

/// Returns the time of this turn. If it is more than 500 ms later than expected, the machine or the process
/// group was stopped, or the master got no CPU: the pools' deadlines move by the gap.
TimePoint Master::note_time(TimePoint expected) noexcept {
    constexpr std::chrono::milliseconds late{500};
    const TimePoint now = Clock::now();
    if (now - expected < late) return now;
    for (Pool* const pool : pools_.live())
        pool->forgive(now - expected, now);
    companions_.forgive(now - expected);
    return now;
}

/// Heeds what the keeper has passed on and what `bullpen ctl` has sent. A signal counts as heard once it is
/// carried out: if the master dies in between, its successor hears it again.
void Master::heed_orders(TimePoint now) {
    const auto is_ready = [](const Pool& pool) { return pool.is_ready() || !pool.is_serving(); };
    if (book_.phase() == Phase::starting && pools_.all_of_live(is_ready)) book_.set_phase(Phase::serving);
    Logbook& logbook = logbook_[0];
    std::uint64_t interrupts = logbook.orders_heard[SIGINT].load(relaxed);
    const auto carry_out = [&](Order order) { return this->carry_out(order, interrupts, now); };
    book_.attend(now, carry_out);
    heed_requests(carry_out);
    if (!news_.take()) return;
    for (const int signal : order_signals) {
        const auto index = static_cast<std::size_t>(signal);
        for (SharedCounter& heard = logbook.orders_heard[index];;) {
            const std::uint64_t came = logbook.orders[index].load(relaxed);
            if (heard.load(relaxed) >= came) break;
            if (signal == SIGINT) ++interrupts;
            if (!book_.heed_signal(signal, carry_out)) break;
            heard.store(signal == SIGHUP ? came : heard.load(relaxed) + 1,
                        relaxed);  // One reload for several.
        }
    }
    while (const std::optional<StrayOrder> stray = take_stray_order())
        log(LogLevel::info, "master: signal " + std::to_string(stray->signal) + " (" +
                                ::strsignal(stray->signal) + ") from process " +
                                std::to_string(stray->sender) + " is ignored: the keeper (pid " +
                                std::to_string(::getppid()) + ") takes the orders");
}

/// Heeds bullpen::stop() and bullpen::reload(). A request is settled once it is carried out: if the master
/// dies in between, its successor hears it again.
void Master::heed_requests(const OrderBook::CarryOut& carry_out) {
    if (stop_watch_ && stop_watch_->ready() && book_.heed_request(Order::stop, carry_out))
        stop_watch_.reset();
    if (!reload_watch_->ready() || !book_.heed_request(Order::reload, carry_out)) return;
    requests_.settle_reload();
    reload_watch_->clear_ready();
    reload_watch_->arm();
}

/// `interrupts`: how many SIGINTs have come, with the one that may have given this order.
std::optional<Outcome> Master::carry_out(Order order, std::uint64_t interrupts, TimePoint now) {
    constexpr int could_not = 1;
    constexpr int refused = 2;
    switch (order) {
        case Order::status: return Outcome{{0, std::string{name_of(book_.phase())}}, status(now)};
        case Order::connections: return list_connections(now);
        case Order::reload: return reload_.begin(now);
        case Order::upgrade: return upgrade_.begin(now);
        case Order::stop: begin_stop(false, interrupts, now); return {};
        case Order::stop_at_once: begin_stop(true, interrupts, now); return {};
        case Order::more_workers: return Outcome{change_size(1)};
        case Order::fewer_workers: return Outcome{change_size(-1)};
        case Order::reopen_log: break;
    }
    switch (reopen_log()) {
        case Reopened::yes: return Outcome{{0, "the log's file is open anew"}};
        case Reopened::no_file: return Outcome{{refused, "the log was no file with a name at the start"}};
        case Reopened::failed: break;
    }
    return Outcome{{could_not, std::string{"the log's file cannot be opened anew: "} + std::strerror(errno)}};
}

/// Reports the keeper's children that have ended, stopped or continued: the workers and the companions.
void Master::hear_keeper(TimePoint now) {
    while (const auto report = logbook_[0].next_report()) {
        note_child(report->pid, report->status, now);
        add(logbook_[0].reports_heard);
    }
}

/// Reports the master's own children, which are programs. One SIGCHLD may stand for many, because signals
/// coalesce; and once a second children are asked for without one. They are reaped after they are buried: if
/// the master dies in between, the keeper reports them.
void Master::look_after_children(const Wakeup& wake, TimePoint now) {
    constexpr std::chrono::seconds between_sweeps{1};
    if (!wake.child_changed && now - swept_ < between_sweeps) return;
    swept_ = now;
    for (;;) {
        siginfo_t info{};
        const int failed = ::waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WNOWAIT);
        if (failed != 0 && errno == EINTR) continue;
        if (failed != 0 || info.si_pid == 0) break;
        note_child(info.si_pid, status_of(info), now);
        const int kind = info.si_code == CLD_CONTINUED                                ? WCONTINUED
                         : info.si_code == CLD_STOPPED || info.si_code == CLD_TRAPPED ? WSTOPPED
                                                                                      : WEXITED;
        ::waitid(P_PID, static_cast<id_t>(info.si_pid), &info, kind | WNOHANG);
    }
}

void Master::note_child(pid_t pid, int status, TimePoint now) {
    if (upgrade_.note_child(pid, status)) return;
    const auto is_its = [&](Pool* pool) { return pool->note_child(pid, status, now); };
    if (std::none_of(pools_.live().begin(), pools_.live().end(), is_its))
        companions_.note_child(pid, status, now);
}

void Master::begin_stop(bool at_once, std::uint64_t interrupts, TimePoint now) noexcept {
    log(LogLevel::info, at_once ? "master: stopping at once; ending the workers that are still busy"
                                : "master: stopping; serving what has been accepted and what waits in the "
                                  "backlog");
    Logbook& logbook = logbook_[0];
    if (logbook.stops.load(relaxed) == 0) logbook.lost_before_stop.store(pools_.lost(), relaxed);
    const Logbook::StopWord stop{.at_once = at_once, .interrupts = static_cast<std::uint32_t>(interrupts)};
    logbook.stops.store(stop.pack(), relaxed);
    stop_pools(at_once, now);
    upgrade_.give_up();
    reload_.give_up();
}

/// A pool whose stop has begun keeps its deadline if that is earlier.
void Master::stop_pools(bool at_once, TimePoint now) noexcept {
    const TimePoint deadline = at_once ? now : now + options_.drain_timeout;
    for (Pool* const pool : pools_.live())
        pool->begin_stop(now, deadline);
}

/// Returns the exit status, and tells it those who wait for the stop's end. The process ends right
/// afterwards.
int Master::settle_stop() {
    const std::uint64_t lost = pools_.lost() - logbook_[0].lost_before_stop.load(relaxed);
    const std::string losses = "connections lost in the stop: " + std::to_string(lost);
    const int status = lost == 0 ? 0 : exit_lost;
    if (lost > 0)
        log(LogLevel::error,
            "master: stopped; " + losses + " (exit status " + std::to_string(exit_lost) + ")");
    book_.settle_stop({status, "the server has stopped" + (lost == 0 ? "" : "; " + losses)});
    return status;
}

/// The list is a file in memory, because it may be longer than what a socket takes at once: some 30 bytes a
/// connection.
Outcome Master::list_connections(TimePoint now) {
    constexpr int could_not = 1;
    std::string text;
    for (Pool* const pool : pools_.live())
        pool->list_connections(text, now);
    UniqueFd file{::memfd_create("bullpen-connections", MFD_CLOEXEC)};
    if (!file || ::pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
        return {
            .answer = {could_not, std::string{"the connections can't be listed: "} + std::strerror(errno)}};
    return {.answer = {0, "the connections are listed"}, .list = std::move(file)};
}

ServerStatus Master::status(TimePoint now) {
    ServerStatus status{.name = options_.name,
                        .version = options_.version,
                        .pid = ::getppid(),
                        .master_pid = ::getpid(),
                        .masters = logbook_[0].masters.load(relaxed),
                        .phase = book_.phase(),
                        .uptime = std::chrono::duration_cast<std::chrono::seconds>(now - opened_at_),
                        .pools = {}};
    for (Pool* const pool : pools_.live())
        status.pools.push_back(pool->status());
    return status;
}

/// By so many processes in each pool.
ControlAnswer Master::change_size(int processes) {
    constexpr int refused = 2;
    const Logbook& logbook = logbook_[0];
    const std::uint64_t heard =
        logbook.orders_heard[SIGTTIN].load(relaxed) + logbook.orders_heard[SIGTTOU].load(relaxed);
    ControlAnswer all{refused, ""};
    for (Pool* const pool : pools_.live()) {
        if (!pool->is_serving()) continue;
        const ControlAnswer one = pool->change_size(processes, heard);
        all.exit_status = std::min(all.exit_status, one.exit_status);
        all.message += (all.message.empty() ? "" : "; ") + one.message;
    }
    return all;
}

}  // namespace bullpen
