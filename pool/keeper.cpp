#include "pool/keeper.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/log.hpp"
#include "core/meaningless_signals.hpp"
#include "core/process.hpp"
#include "core/process_title.hpp"
#include "core/standard_descriptors.hpp"
#include "pool/orders.hpp"
#include "pool/stray_order.hpp"

namespace bullpen {
namespace {

/// The orders that a process may send to the master by mistake, or a terminal to the whole group.
constexpr std::array noted_by_master = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};

constexpr auto relaxed = std::memory_order_relaxed;

bool is_ignored(int signal) noexcept {
    struct sigaction action {};
    return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

/// What the keeper waits for. A signal that was ignored when it started stays so (nohup(1)).
sigset_t awaited_signals() noexcept {
    sigset_t set = meaningless_signals();
    ::sigaddset(&set, SIGCHLD);
    for (const int signal : order_signals)
        if (!is_ignored(signal)) ::sigaddset(&set, signal);
    return set;
}

void note_failure(Logbook& logbook, const char* what) noexcept {
    std::strncpy(logbook.failure.data(), what, logbook.failure.size() - 1);
    logbook.has_failed.store(1, relaxed);
}

int live_as_master(Logbook& logbook, pid_t keeper, int news, const std::function<int()>& master) {
    if (!die_with_parent(SIGKILL, keeper)) return 1;
    note_stray_orders(noted_by_master, news);
    for (const int signal : {SIGTTIN, SIGTTOU})  // With an action, a write to the terminal would never end.
        ::signal(signal, SIG_IGN);
    ignore_write_signals();
    outlive_meaningless_signals();  // Its children do, too.
    unblock_signals();
    const sigset_t meaningless = meaningless_signals();
    ::sigprocmask(SIG_BLOCK, &meaningless, nullptr);  // A library's user may have handlers for some.
    try {
        const int result = master();
        if (result == Keeper::made_room) return result;
        logbook.has_stopped.store(1, relaxed);
        return result;
    } catch (const std::exception& error) {
        note_failure(logbook, error.what());
        return 1;
    }
}

}  // namespace

/// What the keeper waits for; and what the process was before, for a library user whose serve() returns.
struct Keeper::Before {
    sigset_t awaited = awaited_signals();
    sigset_t mask{};
    struct sigaction child {};
    struct sigaction pipe {};
    int subreaper = 0;
};

void Keeper::hold_signals() noexcept {
    const sigset_t awaited = awaited_signals();
    ::sigprocmask(SIG_BLOCK, &awaited, nullptr);
}

Keeper::Keeper(Logbook& logbook, int news, const std::chrono::milliseconds& master_timeout)
    : logbook_{logbook}, news_{news}, master_timeout_{master_timeout}, before_{std::make_unique<Before>()} {
    ::sigprocmask(SIG_BLOCK, &before_->awaited, &before_->mask);
    struct sigaction action {};
    action.sa_handler = SIG_DFL;  // Ignored, children would leave no status.
    ::sigaction(SIGCHLD, &action, &before_->child);
    action.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &action, &before_->pipe);
    ::prctl(PR_GET_CHILD_SUBREAPER, &before_->subreaper);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    set_process_title("bullpen: keeper");
}

Keeper::~Keeper() {
    // An order that came when all was over would end the process once it is no longer blocked.
    const timespec not_at_all{};
    while (::sigtimedwait(&before_->awaited, nullptr, &not_at_all) > 0)
        continue;
    ::prctl(PR_SET_CHILD_SUBREAPER, before_->subreaper);
    ::sigaction(SIGPIPE, &before_->pipe, nullptr);
    ::sigaction(SIGCHLD, &before_->child, nullptr);
    ::sigprocmask(SIG_SETMASK, &before_->mask, nullptr);
}

int Keeper::run(const std::function<int()>& master, const std::function<void()>& between) {
    while (!result_) {
        if (master_ == 0 && Clock::now() >= next_start_) {
            if (logbook_.masters.load(relaxed) > 0) between();
            start(master);
        }
        wait();
        reap();
        watch_turns();
    }
    return *result_;
}

bool Keeper::is_watched() noexcept {
    const char* const started_by_systemd = ::getenv("SYSTEMD_EXEC_PID");
    return ::getpid() == 1 ||
           (started_by_systemd != nullptr && std::to_string(::getpid()) == started_by_systemd);
}

void Keeper::name_successor(pid_t watcher, pid_t successor) noexcept {
    ::sigqueue(watcher, SIGUSR2, {.sival_int = successor});
}

bool Keeper::is_name(int signal, const siginfo_t& info) noexcept {
    if (!is_watched_ || signal != SIGUSR2 || info.si_code != SI_QUEUE) return false;
    named_ = info.si_value.sival_int;
    return true;
}

pid_t Keeper::successor() const noexcept {
    return named_ != 0 ? named_ : static_cast<pid_t>(logbook_.successor);
}

int Keeper::accompany() {
    constexpr int ended_by_signal = 128;  // As a shell says it.
    for (;;) {
        int status = 0;
        pid_t pid = 0;
        while (!successors_end_ && (pid = ::waitpid(-1, &status, WNOHANG)) > 0)
            if (pid == successor()) successors_end_ = status;
        if (successors_end_)
            return WIFEXITED(*successors_end_) ? WEXITSTATUS(*successors_end_)
                                               : ended_by_signal + WTERMSIG(*successors_end_);
        if (pid < 0 && errno == ECHILD) return EXIT_FAILURE;  // Nobody is left whose end could be waited for.
        const timespec a_while{.tv_sec = 1, .tv_nsec = 0};    // It may have ended before.
        siginfo_t info{};
        const int signal = ::sigtimedwait(&before_->awaited, &info, &a_while);
        if (signal > 0 && signal != SIGCHLD && !is_name(signal, info)) ::kill(successor(), signal);
    }
}

void Keeper::start(const std::function<int()>& master) {
    started_ = looked_at_ = Clock::now();
    stands_still_for_ = {};
    logbook_.has_failed.store(0, relaxed);
    logbook_.masters.store(logbook_.masters.load(relaxed) + 1, relaxed);
    const pid_t keeper = ::getpid();
    const std::optional<pid_t> pid =
        spawn_sharing_descriptors([&] { return live_as_master(logbook_, keeper, news_, master); });
    if (pid) {
        master_ = *pid;
        return;
    }
    const std::string why = std::string{"the master can't be started: "} + std::strerror(errno);
    if (!is_to_go_on(false)) throw std::runtime_error{why};
    log(LogLevel::error, "keeper: " + why);
    next_start_ = started_ + keeper_pause(++short_lives_);
}

/// Waits for a signal, and passes it on if it means something.
void Keeper::wait() {
    const TimePoint now = Clock::now();
    const std::chrono::nanoseconds longest =
        master_ != 0 ? between_looks() : std::max(next_start_ - now, std::chrono::nanoseconds{0});
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(longest);
    const timespec timeout{.tv_sec = seconds.count(), .tv_nsec = (longest - seconds).count()};
    siginfo_t info{};
    const int signal = ::sigtimedwait(&before_->awaited, &info, &timeout);
    if (signal <= 0 || signal == SIGCHLD || is_name(signal, info)) return;
    // The terminal's own: a process in the background has read from it or written to it.
    const bool is_terminals = (signal == SIGTTIN || signal == SIGTTOU) && info.si_code == SI_KERNEL;
    if (is_terminals) return;
    if (std::find(order_signals.begin(), order_signals.end(), signal) == order_signals.end())
        return log(LogLevel::info, "keeper: signal " + std::to_string(signal) + " (" + ::strsignal(signal) +
                                       ") is ignored: it means nothing here");
    if (successor() != 0 && !successors_end_ && (is_watched_ || logbook_.watcher != 0))
        ::kill(successor(), signal);
    add(logbook_.orders[static_cast<std::size_t>(signal)]);
    wake_master();
}

/// Reaps its children and strangers (as a container's PID 1, or as their subreaper), and reports them. If the
/// master doesn't hear, they stay zombies.
void Keeper::reap() {
    int status = 0;
    if (master_ != 0 && ::waitpid(master_, &status, WNOHANG) == master_) note_end(status);
    bool any = false;
    while (logbook_.has_room()) {
        const pid_t pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED);
        if (pid < 0 && errno == EINTR) continue;
        if (pid <= 0) break;
        if (pid == master_) {
            if (!WIFSTOPPED(status) && !WIFCONTINUED(status)) note_end(status);
            continue;
        }
        if (pid == successor() && !WIFSTOPPED(status) && !WIFCONTINUED(status)) successors_end_ = status;
        logbook_.report({.pid = pid, .status = status});
        any = true;
    }
    if (any) wake_master();
}

/// Whether another master takes the place of one that has died: not before the server has started. One that
/// was about to say that it has may have been heard, unless it says itself that it has failed; and a new
/// server that has told an old one that it is ready may have its place any moment.
bool Keeper::is_to_go_on(bool has_failed) const noexcept {
    if (logbook_.has_announced.load(relaxed) != 0 || logbook_.has_taken_over != 0) return true;
    return (logbook_.is_ready.load(relaxed) != 0 || logbook_.has_said_ready != 0) && !has_failed;
}

void Keeper::note_end(int status) {
    constexpr std::chrono::milliseconds short_life{20};
    const std::string who = "the master (pid " + std::to_string(master_) + ")";
    const bool has_failed = logbook_.has_failed.load(relaxed) != 0;
    master_ = 0;
    if (logbook_.has_stopped.load(relaxed) != 0 && WIFEXITED(status)) {
        result_ = WEXITSTATUS(status);
        return;
    }
    if (!is_to_go_on(has_failed))
        throw std::runtime_error{has_failed ? std::string{logbook_.failure.data()}
                                            : who + " " + describe_end(status) + " before it was ready"};
    if (WIFEXITED(status) && WEXITSTATUS(status) == made_room) return;
    const TimePoint now = Clock::now();
    short_lives_ = now - started_ < short_life ? short_lives_ + 1 : 0;
    next_start_ = now + keeper_pause(short_lives_);
    log(LogLevel::error, "keeper: " + who + " " + describe_end(status) +
                             (has_failed ? ": " + std::string{logbook_.failure.data()} : "") +
                             "; another one takes over");
}

/// Kills the master if it has had no turn for master_timeout. A span in which the keeper didn't run, or the
/// machine was suspended, counts as two looks at most.
void Keeper::watch_turns() {
    const TimePoint now = Clock::now();
    const auto span = std::min<std::chrono::nanoseconds>(now - looked_at_, 2 * between_looks());
    looked_at_ = now;
    const std::uint64_t turns = logbook_.turns.load(relaxed);
    stands_still_for_ = turns == turns_seen_ ? stands_still_for_ + span : std::chrono::nanoseconds{0};
    turns_seen_ = turns;
    if (master_ == 0 || stands_still_for_ < master_timeout_) return;
    stands_still_for_ = {};
    log(LogLevel::error, "keeper: the master (pid " + std::to_string(master_) +
                             ") is killed: it has done nothing for longer than master_timeout");
    ::kill(master_, SIGKILL);
}

void Keeper::wake_master() const noexcept {
    constexpr std::uint64_t one = 1;
    (void)!::write(news_, &one, sizeof one);
}

}  // namespace bullpen
