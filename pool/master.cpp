#include "pool/master.hpp"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/log.hpp"
#include "core/process.hpp"
#include "core/process_title.hpp"
#include "core/standard_descriptors.hpp"
#include "pool/keeper.hpp"
#include "pool/open_descriptors.hpp"
#include "pool/reconfiguration.hpp"
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

Master::Master(MasterOptions options)
    : options_{std::move(options)}, inherited_{list_descriptors()}, inheritance_{Inheritance::receive()} {
    options_.process_titles ? make_room_for_titles() : refuse_titles();
    std::erase(inherited_, inheritance_.channel());
    news_ = UniqueFd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (!news_) throw std::system_error{errno, std::generic_category(), "cannot create an eventfd"};
    for (PoolOptions& pool : options_.pools)
        pools_.emplace_back(pool, inheritance_.open(pool), options_.drain_timeout);
    options_.pools.clear();
    std::vector<DescriptorNeeds> needs;
    for (const Pool& pool : pools_)
        needs.push_back(pool.descriptor_needs(pool.options()));
    const std::size_t limit = raise_descriptor_limit();
    const std::vector<std::size_t> shares = share_descriptors(needs, limit, inherited_.size());
    std::size_t i = 0;
    for (Pool& pool : pools_)
        pool.limit_connections(shares[i++], limit);
}

Master::~Master() = default;

void Master::add_companion(Companion companion) {
    companions_.add(std::move(companion));
}

void Master::reload_from(ConfigurationSource source, std::function<std::optional<Companion>()> companion) {
    source_ = std::move(source);
    new_companion_ = std::move(companion);
}

int Master::run(const std::function<void()>& ready) {
    inheritance_.close_rest();
    start_ = ProgramStart::of_this_process();
    is_watched_ = Keeper::is_watched();
    opened_before_ = list_descriptors();
    Keeper keeper{logbook_[0], news_.get(), options_.master_timeout};
    const int result = keeper.run([&] { return serve(ready); }, [&] { put_into_effect(); });
    for (Pool& pool : pools_)
        (void)pool.forget_closed();
    close_all_except(opened_before_);  // The last master's.
    if (has_taken_over()) {
        book_.own_control_file();
        inheritance_.forget_channel();
    }
    if (!has_successor()) return result;
    book_.leave_control_to_twin();
    return is_watched_ ? keeper.accompany() : result;
}

int Master::serve(const std::function<void()>& ready) {
    // A turn that begins when a worker rests finds more to do than one that interrupts it.
    const BatchScheduling batch{std::all_of(pools_.begin(), pools_.end(), [](const Pool& pool) {
        return pool.options().scheduling == Scheduling::batch &&
               pool.options().design.delivery == Delivery::handoff;
    })};
    ready_ = ready;
    start();
    TimePoint now = Clock::now();
    while (!finished()) {
        const TimePoint until = prepare_to_wait(now);
        const Wakeup wake = events_->wait_until(until);  // The only line that blocks.
        now = note_time(std::max(until, now));

        heed_orders(now);
        for (Pool* const pool : live_)
            pool->note_progress(now);
        hear_keeper(now);
        look_after_children(wake, now);
        for (Pool* const pool : live_) {
            pool->end_overdue_workers(now);
            pool->relieve_stuck_workers(now);
            pool->attend_lobby(now);
            pool->hand_out_clients(now);
            pool->resize(now);
            if (!pool->is_serving()) pool->continue_stop(now);
            pool->publish(now);
        }
        if (successor_channel_) move_clients(now);
        if (predecessor_watch_) attend_predecessor(now);
        note_finished_pools();
        companions_.attend(now);
        continue_reload(now);
        continue_upgrade(now);
        if (makes_room_) return Keeper::made_room;
    }
    companions_.end();
    return settle_stop();
}

std::uint64_t Master::lost_in_all() noexcept {
    std::uint64_t sum = 0;
    for (Pool& pool : pools_)
        sum += pool.lost();
    return sum;
}

/// Does everything that can fail before the first fork, so that a failure leaves no process behind.
void Master::start() {
    set_process_title("bullpen: master");
    const TimePoint now = Clock::now();
    const bool goes_on = logbook_[0].is_ready.load(relaxed) != 0;
    for (Pool& pool : pools_)
        if (!pool.has_finished()) live_.push_back(&pool);
    if (logbook_[0].masters.load(relaxed) > 1) adopt(now);
    events_ = std::make_unique<Events>();
    news_watch_.emplace(events_->watch(news_.get()));
    if (logbook_[0].stops.load(relaxed) == 0) {
        stop_watch_.emplace(events_->watch(requests_.stop()));
        stop_watch_->arm();
    }
    reload_watch_.emplace(events_->watch(requests_.reload()));
    reload_watch_->arm();
    logbook_.keep_from_children();
    reload_.keep_from_children();
    companions_.keep_from_children();
    for (Pool* const pool : live_)
        pool->start(*events_, inherited_, now);
    publish_reload();
    if (is_held() || has_successor()) companions_.hold();
    if (is_held())
        for (Pool* const pool : live_)
            pool->hold();
    else if (!has_successor())
        book_.watch_by(*events_);
    if (has_taken_over())
        for (Pool* const pool : live_)
            pool->own_files();
    if (inheritance_.has_predecessor() && logbook_[0].predecessor_is_gone == 0)
        predecessor_watch_.emplace(events_->watch(inheritance_.channel()));
    companions_.attend(now);
    for (Pool* const pool : live_)
        pool->start_workers(now);
    if (!goes_on && !is_held()) {
        ready_();
        logbook_[0].is_ready.store(1, relaxed);
    }
    const ReloadNote& reload = reload_[0];
    if (book_.phase() == Phase::reloading && reload.wanted != reload.begun) begin_check(now);
}

/// Takes over from a master that has died. Nothing is opened before everybody has claimed what is there.
void Master::adopt(TimePoint now) {
    std::vector<int> opened = list_descriptors();
    std::erase_if(opened, [this](int fd) {
        const auto has_closed = [fd](const Pool& pool) { return pool.has_closed(fd); };
        if (fd == inheritance_.channel() && logbook_[0].predecessor_is_gone != 0) return false;
        return std::find(opened_before_.begin(), opened_before_.end(), fd) != opened_before_.end() &&
               std::none_of(pools_.begin(), pools_.end(), has_closed);
    });
    OpenDescriptors open{std::move(opened)};
    adopt_successor(open);
    companions_.adopt(open);
    for (Pool* const pool : live_)
        pool->adopt(open, now);
    book_.take_over_clients(reload_[0], open);
    std::vector<UniqueFd> strays = open.strays();
    for (Pool* const pool : live_)
        pool->go_on(strays, now);
    if (reload_[0].is_under_way()) book_.set_phase(Phase::reloading);
    if (const auto stop = Logbook::StopWord::unpack(logbook_[0].stops.load(relaxed))) {
        SharedCounter& heard = logbook_[0].orders_heard[SIGINT];
        heard.store(std::max<std::uint64_t>(heard.load(relaxed), stop->interrupts), relaxed);
        book_.set_phase(Phase::stopping);
        stop_pools(stop->at_once, now);
    }
    if (has_successor()) {
        give_way(now);
        for (Pool* const pool : live_)
            pool->end_moving(now);
    }
    constexpr std::uint64_t unheard_orders = 1;
    (void)!::write(news_.get(), &unheard_orders, sizeof unheard_orders);
}

bool Master::finished() const noexcept {
    return std::all_of(live_.begin(), live_.end(), [](const Pool* pool) { return pool->is_stopped(); });
}

TimePoint Master::prepare_to_wait(TimePoint now) noexcept {
    add(logbook_[0].turns);
    news_watch_->arm();
    if (logbook_[0].next_report()) return TimePoint::min();
    TimePoint until = book_.prepare_to_wait(now);
    if (check_) until = std::min(until, check_->prepare_to_wait());
    if (upgrade_) until = std::min(until, upgrade_->prepare_to_wait(now));
    if (predecessor_watch_) predecessor_watch_->arm();
    for (Pool* const pool : live_)
        until = std::min(until, pool->prepare_to_wait(now));
    return std::min(until, companions_.prepare_to_wait());
}

/// Returns the time of this turn. If it is more than 500 ms later than expected, the machine or the process
/// group was stopped, or the master got no CPU: the pools' deadlines move by the gap.
TimePoint Master::note_time(TimePoint expected) noexcept {
    constexpr std::chrono::milliseconds late{500};
    const TimePoint now = Clock::now();
    if (now - expected < late) return now;
    for (Pool* const pool : live_)
        pool->forgive(now - expected, now);
    companions_.forgive(now - expected);
    return now;
}

/// Heeds what the keeper has passed on and what `bullpen ctl` has sent. A signal counts as heard once it is
/// carried out: if the master dies in between, its successor hears it again.
void Master::heed_orders(TimePoint now) {
    const auto is_ready = [](const Pool* pool) { return pool->is_ready() || !pool->is_serving(); };
    if (book_.phase() == Phase::starting && std::all_of(live_.begin(), live_.end(), is_ready))
        book_.set_phase(Phase::serving);
    Logbook& logbook = logbook_[0];
    std::uint64_t interrupts = logbook.orders_heard[SIGINT].load(relaxed);
    const auto carry_out = [&](Order order) { return this->carry_out(order, interrupts, now); };
    book_.attend(now, carry_out);
    heed_requests(carry_out);
    if (!news_watch_->ready()) return;
    std::uint64_t count = 0;
    (void)!::read(news_.get(), &count, sizeof count);
    news_watch_->clear_ready();
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
        case Order::reload: return begin_reload(now);
        case Order::upgrade: return begin_upgrade(now);
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
    if (upgrade_ && upgrade_->note_child(pid, status)) return;
    const auto is_its = [&](Pool* pool) { return pool->note_child(pid, status, now); };
    if (std::none_of(live_.begin(), live_.end(), is_its)) companions_.note_child(pid, status, now);
}

void Master::begin_stop(bool at_once, std::uint64_t interrupts, TimePoint now) noexcept {
    log(LogLevel::info, at_once ? "master: stopping at once; ending the workers that are still busy"
                                : "master: stopping; serving what has been accepted and what waits in the "
                                  "backlog");
    Logbook& logbook = logbook_[0];
    if (logbook.stops.load(relaxed) == 0) logbook.lost_before_stop.store(lost_in_all(), relaxed);
    const Logbook::StopWord stop{.at_once = at_once, .interrupts = static_cast<std::uint32_t>(interrupts)};
    logbook.stops.store(stop.pack(), relaxed);
    stop_pools(at_once, now);
    if (upgrade_) settle_upgrade({1, "it is given up, because the server stops"});
    const ReloadNote& reload = reload_[0];
    if (!reload.is_under_way()) return;
    if (reload.done == reload.begun && reload.failed != reload.begun)
        settle_reload({0, "the new configuration is in effect; the server stops"});
    else
        settle_reload({1, "it is given up, because the server stops"});
}

/// A pool whose stop has begun keeps its deadline if that is earlier.
void Master::stop_pools(bool at_once, TimePoint now) noexcept {
    const TimePoint deadline = at_once ? now : now + options_.drain_timeout;
    for (Pool* const pool : live_)
        pool->begin_stop(now, deadline);
}

/// Returns the exit status, and tells it those who wait for the stop's end. The process ends right
/// afterwards.
int Master::settle_stop() {
    const std::uint64_t lost = lost_in_all() - logbook_[0].lost_before_stop.load(relaxed);
    const std::string losses = "connections lost in the stop: " + std::to_string(lost);
    const int status = lost == 0 ? 0 : exit_lost;
    if (lost > 0)
        log(LogLevel::error,
            "master: stopped; " + losses + " (exit status " + std::to_string(exit_lost) + ")");
    book_.settle_stop({status, "the server has stopped" + (lost == 0 ? "" : "; " + losses)});
    return status;
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
    for (Pool* const pool : live_)
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
    for (Pool* const pool : live_) {
        if (!pool->is_serving()) continue;
        const ControlAnswer one = pool->change_size(processes, heard);
        all.exit_status = std::min(all.exit_status, one.exit_status);
        all.message += (all.message.empty() ? "" : "; ") + one.message;
    }
    return all;
}

// The reload.

std::optional<Outcome> Master::begin_reload(TimePoint now) {
    constexpr int refused = 2;
    if (!source_)
        return Outcome{{refused,
                        "there is nothing to read again: the server was started without a configuration file "
                        "(--config)"}};
    ReloadNote& reload = reload_[0];
    reload.begun = reload.begun + 1;
    begin_check(now);
    return {};
}

void Master::begin_check(TimePoint now) {
    constexpr int could_not = 1;
    log(LogLevel::info, "master: reading the configuration again");
    std::vector<PresentPool> present;
    for (const Pool* const pool : live_)
        if (pool->is_serving()) present.push_back(pool->present());
    ReloadNote& reload = reload_[0];
    reload.new_listeners_count = 0;
    try {
        check_ = std::make_unique<ConfigurationCheck>(source_, present, reload_, *events_,
                                                      now + options_.check_timeout);
    } catch (const std::exception& error) {
        settle_reload({could_not, std::string{error.what()} + "; nothing was changed"});
    }
}

/// One step: first the check by a child, then room for the keeper; in the next master, the workers.
void Master::continue_reload(TimePoint now) {
    constexpr int could_not = 1;
    if (book_.phase() != Phase::reloading) return;
    if (check_) {
        std::optional<CheckResult> result = check_->attend(now);
        if (!result) return;
        check_.reset();
        if (result->answer.exit_status == 0) return make_room(std::move(result->sockets));
        return settle_reload({result->answer.exit_status, result->answer.message + "; nothing was changed"});
    }
    const ReloadNote& reload = reload_[0];
    if (!reload.is_under_way()) return settle_reload({could_not, "it could not begin"});
    if (reload.failed == reload.begun)
        return settle_reload({could_not, std::string{reload.failure.data()} + "; nothing was changed"});
    const auto is_renewing = [](const Pool* pool) { return pool->is_serving() && pool->is_renewing(); };
    if (std::any_of(live_.begin(), live_.end(), is_renewing)) return;
    const auto failed = std::find_if(live_.begin(), live_.end(),
                                     [](const Pool* pool) { return pool->has_failed_to_renew(); });
    if (failed == live_.end()) return settle_reload({0, "the new configuration is in effect"});
    settle_reload(
        {could_not, "pool " + (*failed)->options().name +
                        ": no worker becomes ready that was started with the new configuration; the "
                        "others serve on with the old one"});
}

/// Leaves everything to the next master. From the store of `wanted` on the keeper carries the reload out,
/// whatever happens to this process.
void Master::make_room(std::vector<NewSocket> sockets) noexcept {
    ReloadNote& reload = reload_[0];
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        reload.new_listeners[i].socket = std::move(sockets[i].socket);
        reload.new_listeners[i].pool = sockets[i].pool;
        reload.new_listeners[i].text = sockets[i].text;
    }
    reload.new_listeners_count = static_cast<std::uint32_t>(sockets.size());
    for (Pool* const pool : live_)
        pool->leave();
    book_.leave_clients(reload);
    reload.wanted = reload.begun.load();
    makes_room_ = true;
}

/// Ends the phase and tells those who wait for it. Orders that waited are looked at again.
void Master::settle_reload(const ControlAnswer& answer) noexcept {
    check_.reset();
    ReloadNote& reload = reload_[0];
    const bool successful = answer.exit_status == 0;
    reload.has_failed = successful ? 0 : 1;
    reload.settled = reload.begun.load();
    publish_reload();
    log(successful ? LogLevel::info : LogLevel::error, "master: reload: " + answer.message);
    book_.settle_reload(answer);
    if (book_.phase() == Phase::reloading) book_.set_phase(Phase::starting);  // See heed_orders().
    constexpr std::uint64_t postponed_orders = 1;
    (void)!::write(news_.get(), &postponed_orders, sizeof postponed_orders);
}

void Master::publish_reload() noexcept {
    ReloadNote& reload = reload_[0];
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto now_s =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
    if (reload.in_effect_since == 0) reload.in_effect_since = now_s;
    for (Pool* const pool : live_)
        pool->publish_reload(reload.has_failed == 0, reload.in_effect_since);
}

/// Of a removed pool nothing is left.
void Master::note_finished_pools() noexcept {
    if (is_stopping()) return;
    std::erase_if(live_, [](Pool* pool) {
        const bool finished = pool->is_leaving() && pool->is_stopped();
        if (finished) pool->note_finished();
        return finished;
    });
}

// In the keeper, between two masters.

void Master::put_into_effect() {
    ReloadNote& reload = reload_[0];
    if (!reload.is_for_the_keeper()) return;
    try {
        change_pools();
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        reload.in_effect_since =
            static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
    } catch (const std::exception& error) {
        const std::string_view why = error.what();
        const std::size_t size = std::min(why.size(), reload.failure.size() - 1);
        why.copy(reload.failure.data(), size);
        reload.failure[size] = '\0';
        reload.failed = reload.wanted.load();
    }
    reload.done = reload.wanted.load();
}

/// Keeps account of what is open: descriptors of new handlers are for their workers, and what this process
/// has is no stray to the next master.
void Master::change_pools() {
    const auto is_in = [](const std::vector<int>& list, int fd) {
        return std::find(list.begin(), list.end(), fd) != list.end();
    };
    for (Pool& pool : pools_)
        for (const int closed : pool.forget_closed())
            std::erase(opened_before_, closed);
    if (logbook_[0].predecessor_is_gone != 0) {
        std::erase(opened_before_, inheritance_.channel());
        inheritance_.forget_channel();
    }
    ReloadNote& reload = reload_[0];
    const std::vector<int> open = list_descriptors();
    std::vector<AddedListener> added;
    std::vector<int> adopted;
    for (std::uint32_t i = 0; i < reload.new_listeners_count; ++i) {
        ReloadNote::NewListener& one = reload.new_listeners[i];
        adopted.push_back(one.socket.get());
        added.push_back({Listener::adopt(one.socket.release()), one.pool, one.text});
    }
    Configuration wanted = source_.make(reload.said().text());
    const std::vector<int> open_with_handlers = list_descriptors();
    const LogLevel log_level = wanted.log_level;
    const std::chrono::seconds drain_timeout = wanted.drain_timeout;
    const std::chrono::milliseconds master_timeout = wanted.master_timeout;
    const std::chrono::milliseconds upgrade_timeout = wanted.upgrade_timeout;
    bool others = false;
    {
        Reconfiguration reconfiguration{pools_, std::move(wanted), std::move(added), inherited_.size()};
        others = reconfiguration.carry_out();
    }
    set_log_level(log_level);
    options_.drain_timeout = drain_timeout;
    options_.master_timeout = master_timeout;
    options_.upgrade_timeout = upgrade_timeout;
    const std::vector<int> open_now = list_descriptors();
    std::erase_if(inherited_, [&](int fd) { return !is_in(open_now, fd); });
    for (const int fd : open_with_handlers)
        if (!is_in(open, fd) && is_in(open_now, fd)) inherited_.push_back(fd);
    std::erase_if(opened_before_, [&](int fd) { return !is_in(open_now, fd); });
    for (const int fd : open_now)
        if (!is_in(open, fd) || is_in(adopted, fd)) opened_before_.push_back(fd);
    if (!others || !new_companion_) return;
    if (const std::optional<Companion> companion = new_companion_()) companions_.replace(*companion);
}

// The upgrade, in the old server.

std::optional<Outcome> Master::begin_upgrade(TimePoint now) {
    constexpr int could_not = 1;
    log(LogLevel::info, "master: starting the program anew, to take over");
    std::vector<PassedListener> listeners = passed_on_;
    for (const Pool* const pool : live_)
        for (const PassedListener& listener : pool->listeners_to_pass_on())
            listeners.push_back(listener);
    try {
        upgrade_ = std::make_unique<Upgrade>(*start_, std::move(listeners), *events_,
                                             now + options_.upgrade_timeout);
    } catch (const std::exception& error) {
        settle_upgrade({could_not, error.what()});
    }
    return {};
}

/// From the store of `successor` on this server makes way, whichever of its masters lives.
void Master::continue_upgrade(TimePoint now) {
    constexpr int could_not = 1;
    if (!upgrade_) return;
    if (const std::optional<ControlAnswer> failure = upgrade_->attend(now)) return settle_upgrade(*failure);
    if (!upgrade_->is_ready()) return;
    Logbook& logbook = logbook_[0];
    logbook.successor_channel.note(upgrade_->channel());
    logbook.successor = static_cast<std::uint32_t>(upgrade_->successor());
    if (upgrade_->go(successors_watcher())) {
        successor_channel_ = upgrade_->release_channel();
        give_way(now);
        return settle_upgrade({0, "the new program (pid " + std::to_string(logbook.successor.load()) +
                                      ") serves; this one ends when it has served what it has accepted"});
    }
    logbook.successor = 0;
    logbook.successor_channel.forget();
    settle_upgrade({could_not, "the new program has ended when it was to take over"});
}

void Master::settle_upgrade(const ControlAnswer& answer) noexcept {
    upgrade_.reset();
    log(answer.exit_status == 0 ? LogLevel::info : LogLevel::error,
        "master: upgrade: " + answer.message + (answer.exit_status == 0 ? "" : "; this one serves on"));
    book_.settle_upgrade(answer);
    if (book_.phase() == Phase::upgrading) book_.set_phase(Phase::starting);  // See heed_orders().
    constexpr std::uint64_t postponed_orders = 1;
    (void)!::write(news_.get(), &postponed_orders, sizeof postponed_orders);
}

/// The keeper that takes the end of the service for its own, if there is one.
pid_t Master::successors_watcher() const noexcept {
    return is_watched_ ? ::getppid() : static_cast<pid_t>(logbook_[0].watcher);
}

/// For a master whose predecessor died when it was making way: the new server may have been told to go or
/// not. If it isn't there any more, and this server hasn't made way, it serves on.
void Master::adopt_successor(OpenDescriptors& open) noexcept {
    Logbook& logbook = logbook_[0];
    const int number = logbook.successor_channel.get();
    logbook.successor_channel.forget();
    if (!has_successor()) return;  // The channel is a stray.
    const UniqueFd channel{number >= 0 && open.claim(number) ? number : -1};
    if (logbook.has_made_way != 0 || (channel && tell_to_go(channel.get(), successors_watcher()))) return;
    logbook.successor = 0;
    log(LogLevel::error,
        "master: upgrade: the new program has ended when it was to take over; this one serves on");
}

void Master::give_way(TimePoint now) noexcept {
    Logbook& logbook = logbook_[0];
    if (logbook.watcher != 0)
        Keeper::name_successor(static_cast<pid_t>(logbook.watcher), static_cast<pid_t>(logbook.successor));
    if (logbook.has_made_way == 0) logbook.lost_before_stop.store(lost_in_all(), relaxed);
    for (Pool* const pool : live_)
        pool->give_way(now, now + options_.drain_timeout);
    companions_.dismiss();
    logbook.has_made_way = 1;
    book_.set_phase(Phase::stopping);
    book_.stop_listening();
}

/// Those for which the channel has no room now are moved in a later turn, or end as at a stop.
void Master::move_clients(TimePoint now) noexcept {
    Sent last = Sent::sent;
    for (Pool* const pool : live_) {
        UpgradeMessage message{UpgradeWord::connection, "", "pool " + pool->options().name};
        pool->move_clients([&](const MovedConnection& moved, int socket, int file) {
            if (last != Sent::sent) return false;
            message.connection = moved;
            const std::array<int, 2> descriptors = {socket, file};
            const std::span all = std::span{descriptors}.first(file < 0 ? 1 : 2);
            last = send(successor_channel_.get(), message, all);
            return last == Sent::sent;
        });
    }
    if (last != Sent::closed) return;
    successor_channel_.reset();
    for (Pool* const pool : live_)
        pool->end_moving(now);
}

// The upgrade, in the new server.

void Master::attend_predecessor(TimePoint now) {
    const auto is_ready = [](const Pool* pool) { return pool->is_ready(); };
    if (is_held() && !has_said_ready_ && std::all_of(live_.begin(), live_.end(), is_ready)) {
        UpgradeMessage message{UpgradeWord::ready};
        message.pid = ::getppid();
        logbook_[0].has_said_ready = 1;
        has_said_ready_ = send(inheritance_.channel(), message) == Sent::sent;
    }
    if (!predecessor_watch_->ready()) return;
    predecessor_watch_->clear_ready();
    for (;;) {
        // An order that is obeyed before it is taken is found again by the master after one that dies in
        // between.
        const std::optional<UpgradeMessage> next = peek(inheritance_.channel());
        if (is_held() && next && next->word == UpgradeWord::go) {
            logbook_[0].watcher = static_cast<std::uint32_t>(next->pid);
            take_over(now);
        }
        UpgradeMail mail;
        const Received received = receive(inheritance_.channel(), mail);
        if (received == Received::empty || received == Received::later) return;
        if (received == Received::message && mail.message.word == UpgradeWord::go) continue;
        if (received == Received::message && mail.message.word == UpgradeWord::connection) {
            const auto pool = std::find_if(live_.begin(), live_.end(), [&](const Pool* one) {
                return one->is_serving() && "pool " + one->options().name == mail.message.owner();
            });
            if (pool != live_.end() && mail.descriptors[0])
                (*pool)->take_in(mail.message.connection, std::move(mail.descriptors[0]),
                                 std::move(mail.descriptors[1]), now);
        } else if (received != Received::message) {
            if (is_held()) throw std::runtime_error{"the server that was to be upgraded has given it up"};
            predecessor_watch_.reset();
            logbook_[0].predecessor_is_gone = 1;
            ::close(inheritance_.channel());
            return;
        }
    }
}

void Master::take_over(TimePoint now) {
    logbook_[0].has_taken_over = 1;
    for (Pool* const pool : live_) {
        pool->release();
        pool->own_files();
        pool->start_workers(now);
    }
    book_.watch_by(*events_);
    companions_.release();
    companions_.attend(now);
    ready_();
    logbook_[0].is_ready.store(1, relaxed);
}

}  // namespace bullpen
