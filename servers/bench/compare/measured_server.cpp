#include "servers/bench/compare/measured_server.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

#include <bullpen/clock.hpp>
#include "core/log.hpp"
#include "core/process.hpp"
#include "core/read_file.hpp"
#include "pool/master.hpp"
#include "servers/bench/compare/memory_use.hpp"

namespace bullpen {
namespace {

int run_master(Master& master, pid_t maker) {
    ::setpgid(0, 0);  // Ctrl-C is for the maker, which then stops us in order.
    ::signal(SIGTTOU, SIG_IGN);
    set_log_level(LogLevel::error);  // A pool that is always saturated is no news here.
    if (!die_with_parent(SIGTERM, maker)) return 1;
    unblock_signals();
    return master.run();
}

std::string describe(int status) {
    if (WIFSIGNALED(status)) return std::string{"its keeper was killed: "} + ::strsignal(WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return "its keeper exited with status " + std::to_string(WEXITSTATUS(status));
    return {};
}

}  // namespace

MeasuredServer::MeasuredServer(const MeasuredServerOptions& options)
    : start_timeout_{options.start_timeout},
      stop_timeout_{options.drain_timeout + options.stop_grace},
      starts_workers_{options.starts_workers} {
    Master master{{.pools = {options.pool}, .drain_timeout = options.drain_timeout}};
    const Pool& pool = master.pools().front();
    address_ = pool.listeners().front().address();
    scoreboard_.emplace(pool.scoreboard_fd(), pool.slots());
    bound_ns_ = scoreboard_->header().heartbeat_ns;

    const pid_t maker = ::getpid();
    const std::optional<pid_t> pid = spawn_child([&] { return run_master(master, maker); });
    if (!pid) throw std::system_error{errno, std::generic_category(), "cannot start a server"};
    master_ = *pid;
    ::setpgid(master_, master_);  // Both do it: the group must exist before it may have to be killed.
}

MeasuredServer::~MeasuredServer() {
    if (master_ == 0) return;
    ::kill(-master_, SIGKILL);
    ::waitpid(master_, nullptr, 0);
}

bool MeasuredServer::wait_until_ready(const std::function<bool()>& keep_waiting) const {
    constexpr std::chrono::milliseconds between_looks{2};
    const TimePoint deadline = Clock::now() + start_timeout_;
    while (!ready()) {
        if (!running() || Clock::now() > deadline || !keep_waiting()) return false;
        std::this_thread::sleep_for(between_looks);
    }
    return true;
}

/// The master has had a turn, and every slot's worker says that it is ready.
bool MeasuredServer::ready() const noexcept {
    if (scoreboard_->header().heartbeat_ns == bound_ns_) return false;
    if (!starts_workers_) return true;
    for (std::uint32_t slot = 0; slot < scoreboard_->slots(); ++slot) {
        const std::uint32_t generation = scoreboard_->entry(slot).generation;
        if (generation == 0 || scoreboard_->row(slot).ready_generation != generation) return false;
    }
    return true;
}

bool MeasuredServer::running() const noexcept {
    siginfo_t info{};
    return master_ != 0 &&
           ::waitid(P_PID, static_cast<id_t>(master_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
}

bool MeasuredServer::exits_within(std::chrono::seconds limit) const noexcept {
    const UniqueFd process{static_cast<int>(::syscall(SYS_pidfd_open, master_, 0))};
    pollfd exited{.fd = process.get(), .events = POLLIN, .revents = 0};
    const TimePoint deadline = Clock::now() + limit;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        const int ready = ::poll(&exited, 1, static_cast<int>(std::max<std::int64_t>(0, left)));
        if (ready >= 0 || errno != EINTR) return ready == 1;
    }
}

MemoryUse MeasuredServer::memory() const {
    MemoryUse use{.master_kb = pss_kb(master_)};  // The keeper's.
    for (const pid_t process : descendants_of(master_)) {
        std::error_code ended;
        const std::string name = read_file("/proc/" + std::to_string(process) + "/comm", ended);
        (name == "bullpen: master\n" ? use.master_kb : use.workers_kb) += pss_kb(process);
    }
    const PoolTotals totals = total(*scoreboard_);
    use.workers = totals.idle + totals.busy;
    return use;
}

MeasuredServer::End MeasuredServer::stop() noexcept {
    if (master_ == 0) return {};
    End end;
    ::kill(master_, SIGTERM);
    const bool in_time = exits_within(stop_timeout_);
    if (!in_time) ::kill(-master_, SIGKILL);

    int status = 0;
    rusage usage{};  // Of the master and of all that it has buried: wait4(2).
    while (::wait4(master_, &status, 0, &usage) < 0 && errno == EINTR) {
    }
    end.used = usage_of(usage);
    end.failure =
        in_time ? describe(status)
                : "it did not stop within " + std::to_string(stop_timeout_.count()) + " s and was killed";
    ::kill(-master_, SIGKILL);  // Workers that a dead master has left.
    master_ = 0;
    return end;
}

}  // namespace bullpen
