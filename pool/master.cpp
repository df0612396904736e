#include "pool/master.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "core/log.hpp"
#include "core/process.hpp"
#include "pool/start_pause.hpp"

namespace bullpen {

/// A companion and its current process.
struct Master::Attendant {
    Companion companion;
    pid_t pid = 0;
    UniqueFd lifeline = {};  ///< The master's end; closing it makes the companion leave.
    TimePoint started{};
    StartPause pause = {};
    std::optional<TimePoint> stopped_at = {};
};

namespace {

void share_among(std::deque<Pool>& pools, std::size_t open) {
    std::vector<DescriptorNeeds> needs;
    for (const Pool& pool : pools)
        needs.push_back(pool.descriptor_needs());
    const std::vector<std::size_t> shares = share_descriptors(needs, raise_descriptor_limit(), open);
    for (std::size_t i = 0; i < pools.size(); ++i)
        pools[i].limit_connections(shares[i]);
}

}  // namespace

Master::Master(MasterOptions options) : options_{std::move(options)}, inherited_{list_descriptors()} {
    for (PoolOptions& pool : options_.pools)
        pools_.emplace_back(std::move(pool), options_.drain_timeout);
    options_.pools.clear();
    share_among(pools_, inherited_.size());
}

Master::~Master() = default;

void Master::add_companion(Companion companion) {
    attendants_.push_back({.companion = std::move(companion)});
}

int Master::run(const std::function<void()>& ready) {
    // A turn that begins when a worker rests finds more to do than one that interrupts it.
    const BatchScheduling batch{std::all_of(pools_.begin(), pools_.end(), [](const Pool& pool) {
        return pool.options().scheduling == Scheduling::batch &&
               pool.options().design.delivery == Delivery::handoff;
    })};
    start(ready);
    TimePoint now = Clock::now();
    while (!finished()) {
        const TimePoint until = prepare_to_wait(now);
        const Wakeup wake = events_->wait_until(until);  // The only line that blocks.
        now = note_time(std::max(until, now));

        if (wake.stop) begin_stop(wake, now);
        for (Pool& pool : pools_)
            pool.note_progress(now);
        look_after_children(wake, now);
        for (Pool& pool : pools_) {
            pool.end_overdue_workers(now);
            pool.relieve_stuck_workers(now);
            pool.attend_lobby(now);
            pool.hand_out_clients(now);
            pool.resize(now);
            if (stopping_) pool.continue_stop(now);
            pool.publish(now);
        }
        attend_companions(now);
    }
    end_companions();
    const std::uint64_t lost = lost_in_all() - lost_before_stop_;
    if (lost == 0) return 0;
    log(LogLevel::error, "master: stopped; connections lost in the stop: " + std::to_string(lost) +
                             " (exit status " + std::to_string(exit_lost) + ")");
    return exit_lost;
}

std::uint64_t Master::lost_in_all() noexcept {
    std::uint64_t sum = 0;
    for (Pool& pool : pools_)
        sum += pool.lost();
    return sum;
}

/// Does everything that can fail before the first fork, so that a failure leaves no process behind.
void Master::start(const std::function<void()>& ready) {
    events_ = std::make_unique<Events>();
    const TimePoint now = Clock::now();
    for (Pool& pool : pools_)
        pool.start(*events_, inherited_, now);
    set_process_title("bullpen: master");
    attend_companions(now);
    for (Pool& pool : pools_)
        pool.start_workers(now);
    ready();
}

bool Master::finished() const noexcept {
    return std::all_of(pools_.begin(), pools_.end(), [](const Pool& pool) { return pool.is_stopped(); });
}

TimePoint Master::prepare_to_wait(TimePoint now) noexcept {
    TimePoint until = TimePoint::max();
    for (Pool& pool : pools_)
        until = std::min(until, pool.prepare_to_wait(now));
    for (const Attendant& attendant : attendants_)
        if (attendant.pid == 0) until = std::min(until, attendant.pause.end(false));
    return until;
}

/// Returns the time of this turn. If it is more than 500 ms later than expected, the machine or the process
/// group was stopped, or the master got no CPU: the pools' deadlines move by the gap.
TimePoint Master::note_time(TimePoint expected) noexcept {
    constexpr std::chrono::milliseconds late{500};
    const TimePoint now = Clock::now();
    if (now - expected < late) return now;
    for (Pool& pool : pools_)
        pool.forgive(now - expected, now);
    for (Attendant& attendant : attendants_)
        if (attendant.stopped_at) *attendant.stopped_at += now - expected;
    return now;
}

/// Reports ended, stopped and continued children to their pools. One SIGCHLD may stand for many children,
/// because signals coalesce; and once a second children are asked for without one.
void Master::look_after_children(const Wakeup& wake, TimePoint now) {
    constexpr std::chrono::seconds between_sweeps{1};
    if (!wake.child_changed && now - swept_ < between_sweeps) return;
    swept_ = now;
    for (;;) {
        int status = 0;
        const pid_t pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED);
        if (pid < 0 && errno == EINTR) continue;
        if (pid <= 0) break;
        const auto is_its = [&](Pool& pool) { return pool.note_child(pid, status, now); };
        if (std::none_of(pools_.begin(), pools_.end(), is_its)) note_companion(pid, status, now);
    }
}

bool Master::note_companion(pid_t pid, int status, TimePoint now) {
    const auto found = std::find_if(attendants_.begin(), attendants_.end(),
                                    [pid](const Attendant& attendant) { return attendant.pid == pid; });
    if (found == attendants_.end()) return false;
    if (WIFSTOPPED(status)) {
        found->stopped_at = now;
    } else if (WIFCONTINUED(status)) {
        found->stopped_at.reset();
    } else {
        constexpr std::chrono::minutes long_life{1};
        found->pid = 0;
        found->stopped_at.reset();
        if (now - found->started >= long_life) found->pause.note_success();
        found->pause.note_failure(now, false);
        log(LogLevel::warning, found->companion.title + " process: it died and is started again");
    }
    return true;
}

void Master::begin_stop(const Wakeup& wake, TimePoint now) noexcept {
    const bool impatient = stopping_ && wake.interrupted;
    if (stopping_ && !impatient) return;
    log(LogLevel::info, impatient ? "master: interrupted again; ending the workers that are still busy"
                                  : "master: stopping; serving what has been accepted and what waits in the "
                                    "backlog");
    if (!stopping_) lost_before_stop_ = lost_in_all();
    stopping_ = true;
    const TimePoint deadline = impatient ? now : now + options_.drain_timeout;
    for (Pool& pool : pools_)
        pool.begin_stop(now, deadline);
}

void Master::attend_companions(TimePoint now) {
    for (Attendant& attendant : attendants_) {
        if (attendant.pid == 0 && attendant.pause.is_over(now, false)) spawn_companion(attendant, now);
        if (!attendant.stopped_at || now - *attendant.stopped_at < options_.stopped_timeout) continue;
        attendant.stopped_at = now;
        log(LogLevel::error, attendant.companion.title +
                                 " process: it is killed, because it was stopped (SIGSTOP, a debugger) for "
                                 "longer than its limit");
        ::kill(attendant.pid, SIGKILL);
    }
}

void Master::spawn_companion(Attendant& attendant, TimePoint now) {
    int ends[2];
    const pid_t master = ::getpid();
    std::optional<pid_t> pid;
    if (::pipe2(ends, O_CLOEXEC) == 0) {
        const UniqueFd theirs{ends[0]};
        attendant.lifeline = UniqueFd{ends[1]};
        pid = spawn_child([&] {
            std::vector<int> kept = attendant.companion.keep;
            kept.push_back(theirs.get());
            close_all_except(kept);
            set_process_title("bullpen: " + attendant.companion.title);
            for (const int signal : {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGPIPE, SIGXFSZ})
                ::signal(signal, SIG_IGN);
            if (!die_with_parent(SIGKILL, master)) return 0;
            unblock_signals();
            return attendant.companion.body(theirs.get());
        });
    }
    if (!pid) {
        const int error = errno;
        attendant.pause.note_failure(now, false);
        log(LogLevel::error,
            attendant.companion.title + " process: it cannot be started: " + std::strerror(error));
        return;
    }
    attendant.pid = *pid;
    attendant.started = now;
}

/// Ends the companions, last of all, when every pool is stopped.
void Master::end_companions() noexcept {
    constexpr int patience_ms = 1000;
    const SignalsBlocked undisturbed;
    for (Attendant& attendant : attendants_) {
        attendant.lifeline.reset();
        if (attendant.pid == 0) continue;
        const UniqueFd process{static_cast<int>(::syscall(SYS_pidfd_open, attendant.pid, 0))};
        pollfd exited{.fd = process.get(), .events = POLLIN, .revents = 0};
        if (::poll(&exited, 1, patience_ms) != 1) ::kill(attendant.pid, SIGKILL);
        ::waitpid(attendant.pid, nullptr, 0);
        attendant.pid = 0;
    }
}

}  // namespace bullpen
