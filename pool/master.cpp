#include "pool/master.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "core/log.hpp"
#include "core/process.hpp"

namespace bullpen {

/// A companion and the process that is it at the moment.
struct Master::Attendant {
    Companion companion;
    pid_t pid = 0;
    UniqueFd lifeline = {};  ///< Our end: closed, the companion leaves.
    int deaths = 0;
    TimePoint started{};
    TimePoint start_again{};
};

namespace {

/// Sees to it that there are enough for all workers; what is left is for connections.
void share_descriptors(std::vector<Pool>& pools) {
    constexpr std::size_t reserve = 64;  // Logs, signals, companions, what the user has open.
    std::size_t needed = reserve;
    std::size_t of_a_process = reserve;
    for (const Pool& pool : pools) {
        needed += pool.descriptors_needed();
        of_a_process = std::max(of_a_process, reserve + pool.connections_of_a_process());
    }
    const rlim_t limit = raise_descriptor_limit();
    if (of_a_process > limit)
        throw std::runtime_error{"capacity is too large: a worker's process may need " +
                                 std::to_string(of_a_process) +
                                 " descriptors, and the limit (ulimit -Hn) is " + std::to_string(limit)};
    if (needed > limit)
        throw std::runtime_error{"workers-max is too large: the pools need " + std::to_string(needed) +
                                 " descriptors, and the limit (ulimit -Hn) is " + std::to_string(limit)};
    for (Pool& pool : pools)
        pool.limit_connections((limit - needed) / pools.size());
}

}  // namespace

Master::Master(MasterOptions options) : options_{std::move(options)}, inherited_{list_descriptors()} {
    pools_.reserve(options_.pools.size());
    for (PoolOptions& pool : options_.pools)
        pools_.emplace_back(std::move(pool), options_.drain_timeout);
    options_.pools.clear();
    share_descriptors(pools_);
}

Master::~Master() = default;

void Master::add_companion(Companion companion) {
    attendants_.push_back({.companion = std::move(companion)});
}

int Master::run() {
    start();
    while (!finished()) {
        const TimePoint deadline = prepare_to_wait() ? next_deadline() : TimePoint::min();
        const Wakeup wake = events_->wait_until(deadline);  // The only line that blocks.
        const TimePoint now = Clock::now();

        if (wake.stop) begin_stop(wake, now);
        for (Pool& pool : pools_)
            pool.note_progress(now);
        if (wake.child_exited) bury(now);
        for (Pool& pool : pools_) {
            pool.relieve_stuck_workers(now);
            pool.attend_parked(now);
            pool.end_slow_workers(now);
            pool.hand_out_clients(now);
            pool.resize(now);
            if (stopping_) pool.continue_stop(now);
            pool.publish(now);
        }
        attend_companions(now);
    }
    end_companions();
    return 0;
}

void Master::start() {
    events_ = std::make_unique<Events>();
    set_process_title("bullpen: master");
    const TimePoint now = Clock::now();
    attend_companions(now);
    for (Pool& pool : pools_)
        pool.start(*events_, inherited_, now);
}

bool Master::finished() const noexcept {
    return std::all_of(pools_.begin(), pools_.end(), [](const Pool& pool) { return pool.stopped(); });
}

bool Master::prepare_to_wait() noexcept {
    bool may_block = true;
    for (Pool& pool : pools_)
        may_block = pool.prepare_to_wait() && may_block;
    return may_block;
}

TimePoint Master::next_deadline() const noexcept {
    TimePoint deadline = TimePoint::max();
    for (const Pool& pool : pools_)
        deadline = std::min(deadline, pool.next_deadline());
    return deadline;
}

/// Signals coalesce, so one SIGCHLD may stand for many children.
void Master::bury(TimePoint now) {
    int status = 0;
    for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        if (std::any_of(pools_.begin(), pools_.end(),
                        [&](Pool& pool) { return pool.bury(pid, status, now); }))
            continue;
        for (Attendant& attendant : attendants_) {
            if (attendant.pid != pid) continue;
            attendant.pid = 0;
            constexpr std::chrono::minutes long_life{1};
            if (now - attendant.started >= long_life) attendant.deaths = 0;
            attendant.start_again = now + std::chrono::milliseconds{start_pause_ms(attendant.deaths++)};
            log(LogLevel::warning,
                "the " + attendant.companion.title + " process has died; starting it again");
        }
    }
}

void Master::begin_stop(const Wakeup& wake, TimePoint now) noexcept {
    const bool impatient = stopping_ && wake.interrupted;
    if (stopping_ && !impatient) return;
    log(LogLevel::info, impatient ? "interrupted again: ending what is still busy"
                                  : "stopping: serving what has been accepted and what waits in the backlog");
    stopping_ = true;
    const TimePoint deadline = impatient ? now : now + options_.drain_timeout;
    for (Pool& pool : pools_)
        pool.begin_stop(now, deadline);
}

void Master::attend_companions(TimePoint now) {
    for (Attendant& attendant : attendants_)
        if (attendant.pid == 0 && now >= attendant.start_again) spawn_companion(attendant, now);
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
            for (const int signal : {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGPIPE})
                ::signal(signal, SIG_IGN);
            if (!die_with_parent(SIGKILL, master)) return 0;
            unblock_signals();
            return attendant.companion.body(theirs.get());
        });
    }
    if (!pid) {
        attendant.start_again = now + std::chrono::milliseconds{start_pause_ms(++attendant.deaths)};
        log(LogLevel::error,
            "cannot start the " + attendant.companion.title + " process: " + std::strerror(errno));
        return;
    }
    attendant.pid = *pid;
    attendant.started = now;
}

/// Last of all, when no pool is left to look at.
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
