#include "pool/programs.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <bullpen/clock.hpp>
#include "core/log.hpp"
#include "core/process.hpp"
#include "core/program_starter.hpp"
#include "pool/start_pause.hpp"
#include "pool/start_rate.hpp"
#include "pool/worker_process.hpp"

namespace bullpen {
namespace {

constexpr int not_executed = 127 << 8;  ///< As waitpid(2) gives a shell's status for it.

int status_of(pid_t pid) noexcept {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

bool is_good(int status) noexcept {
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

const std::string& name_of(const PoolOptions& pool) noexcept {
    return pool.program_setting.path.empty() ? pool.program.argv.front() : pool.program_setting.path;
}

/// Starts programs for one worker, and says which failed.
class Runs {
public:
    explicit Runs(WorkerProcess& process)
        : worker_{process.worker()},
          name_{name_of(process.options())},
          starter_{process.options().program, process.options().program_setting} {}

    /// Returns nothing if it couldn't be executed.
    std::optional<pid_t> start(int socket, std::span<std::string> of_client = {}) {
        worker_.row().note.write(name_);
        const std::optional<pid_t> pid = starter_.start(socket, of_client);
        if (!pid) log(LogLevel::error, "cannot execute " + name_ + ": " + std::strerror(errno));
        return pid;
    }

    /// Counts the end of a run.
    void end(std::uint64_t begun_ns, int status, HandoffProgress handoff) {
        if (WIFSIGNALED(status)) log(LogLevel::warning, name_ + " " + describe_end(status));
        worker_.end_without_connection(begun_ns, is_good(status), handoff);
    }

private:
    Worker& worker_;
    std::string name_;
    ProgramStarter starter_;
};

void serve(Runs& runs, WorkerProcess& process, Client client) {
    Worker& worker = process.worker();
    const std::uint64_t begun_ns = worker.begin(client);
    std::vector<std::string> variables = variables_of_client(client.socket.get());
    client.handoff.begin(false);
    client.handoff.touch();
    std::optional<pid_t> pid;
    {
        const LogsFor this_client = LogsFor::client(client.socket.get());
        pid = runs.start(client.socket.get(), variables);
    }
    client.socket.reset();  // The connection's end is the program's affair from here on,
    process.wake_master();  // which needs the master's copy closed, too.
    runs.end(begun_ns, pid ? status_of(*pid) : not_executed, client.handoff);
}

/// Waits for the end of a program that has the listener, which an order to leave ends.
int wait_for_lent(const WorkerProcess& process, pid_t pid) {
    const UniqueFd end{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
    pollfd ended{.fd = end.get(), .events = POLLIN, .revents = 0};
    for (bool told = false; end && ::poll(&ended, 1, 0) == 0;) {
        if (process.leave() != Leave::no && !std::exchange(told, true)) ::kill(pid, SIGTERM);
        WorkerProcess::wait_for(end.get());
    }
    return status_of(pid);
}

bool has_input(int socket) noexcept {
    pollfd readable{.fd = socket, .events = POLLIN, .revents = 0};
    return ::poll(&readable, 1, 0) == 1;
}

/// Returns sooner if there is an order to leave.
void wait_until(TimePoint time) noexcept {
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(time - Clock::now());
    pollfd order{.fd = WorkerProcess::leave_signal(), .events = POLLIN, .revents = 0};
    ::poll(&order, 1, static_cast<int>(std::clamp<std::int64_t>(rest.count(), 0, 60'000)));
}

}  // namespace

void start_program_for_each(WorkerProcess& process) {
    Worker& worker = process.worker();
    Runs runs{process};
    worker.ready();
    while (auto client = worker.next_handed_off())
        serve(runs, process, std::move(*client));
}

void lend_listener(WorkerProcess& process) {
    Worker& worker = process.worker();
    const int listener = process.seat().listeners.front().fd();
    const timeval none{};
    ::setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
    Runs runs{process};
    StartPause pause;
    StartRate rate{process.options().starts_a_minute};
    (void)WorkerProcess::leave_signal();
    worker.ready();
    while (process.leave() == Leave::no) {
        WorkerProcess::wait_for(listener);
        if (process.leave() != Leave::no) return;
        if (!has_input(listener)) continue;
        const std::uint64_t begun_ns = worker.begin(Client{.since_ns = monotonic_ns()});
        TimePoint again = rate.note(Clock::now());
        const std::optional<pid_t> pid = runs.start(listener);
        const int status = pid ? wait_for_lent(process, *pid) : not_executed;
        runs.end(begun_ns, status, {});
        if (is_good(status)) {
            pause.note_success();
        } else {
            pause.note_failure(Clock::now(), true);
            again = std::max(again, pause.end(true));
        }
        if (again > Clock::now() && process.leave() == Leave::no) wait_until(again);
    }
}

}  // namespace bullpen
