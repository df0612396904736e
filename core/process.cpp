#include "core/process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <exception>
#include <filesystem>
#include <numeric>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <bullpen/address.hpp>
#include "core/log.hpp"
#include "core/meaningless_signals.hpp"
#include "core/order_requests.hpp"
#include "core/parse_number.hpp"

namespace bullpen {
namespace {

void reset_signal_actions() noexcept {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    // Those that a server handles or ignores; all 64 would be most of a short-lived child's system calls.
    for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD,
                             SIGXFSZ, SIGTTIN, SIGTTOU})
        if (!is_outlived(signal)) ::sigaction(signal, &action, nullptr);
}

struct SpawnSettings {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ~SpawnSettings() {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }
};

std::vector<std::string> environment_for(int connection) {
    std::vector<std::string> variables = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(connection, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return variables;
    const Address address{reinterpret_cast<const sockaddr*>(&peer), size};
    if (address.family() == AF_UNIX) return variables;
    variables.push_back("REMOTE_ADDR=" + address.host());
    variables.push_back("REMOTE_PORT=" + std::to_string(address.port()));
    return variables;
}

}  // namespace

SignalsBlocked::SignalsBlocked() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before_);
}

SignalsBlocked::~SignalsBlocked() {
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

BatchScheduling::BatchScheduling(bool wanted) noexcept {
    const sched_param no_priority{};
    changed_ = wanted && ::sched_getscheduler(0) == SCHED_OTHER &&
               ::sched_setscheduler(0, SCHED_BATCH, &no_priority) == 0;
}

BatchScheduling::~BatchScheduling() {
    const sched_param no_priority{};
    if (changed_) ::sched_setscheduler(0, SCHED_OTHER, &no_priority);
}

namespace {

/// What fork(3) does and clone(2) doesn't: the child's thread learns its own number, by which it owns a
/// mutex, and the kernel learns where the thread lists the robust ones (see AcceptLock). The caller's one
/// thread holds no lock.
pid_t clone_as_fork_does(unsigned long flags, pid_t* told) noexcept {
    void* robust_list = nullptr;
    std::size_t size = 0;
    ::syscall(SYS_get_robust_list, 0, &robust_list, &size);
    int* thread_number = nullptr;
    if (::prctl(PR_GET_TID_ADDRESS, &thread_number) == 0 && thread_number != nullptr)
        flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    // The last two arguments are (number, thread area) or the reverse, by architecture; no area is set.
    const long pid = ::syscall(SYS_clone, flags | SIGCHLD, nullptr, told, thread_number, thread_number);
    if (pid == 0 && robust_list != nullptr) ::syscall(SYS_set_robust_list, robust_list, size);
    return static_cast<pid_t>(pid);
}

template <typename Fork>
std::optional<pid_t> spawn(Fork fork_now, const std::function<int()>& body) {
    const SignalsBlocked blocked;
    const pid_t pid = fork_now();
    if (pid < 0) return std::nullopt;
    if (pid > 0) return pid;

    reset_signal_actions();
    int status = 1;
    try {
        status = body();
    } catch (const std::exception& error) {
        log(LogLevel::error, std::string{"this process ends: "} + error.what());
    } catch (...) {
        log(LogLevel::error, "this process ends: it threw a non-std exception");
    }
    ::_exit(status);
}

}  // namespace

std::optional<pid_t> spawn_child(const std::function<int()>& body) {
    return spawn([] { return ::fork(); }, body);
}

std::optional<pid_t> spawn_sharing_descriptors(const std::function<int()>& body) {
    return spawn([] { return clone_as_fork_does(CLONE_FILES, nullptr); }, body);
}

std::optional<pid_t> spawn_sibling(const std::function<int()>& body, pid_t& pid) {
    return spawn([&pid] { return clone_as_fork_does(CLONE_PARENT | CLONE_PARENT_SETTID, &pid); }, body);
}

std::optional<pid_t> spawn_program(const Program& program, int connection) {
    std::vector<char*> argv;
    for (const std::string& argument : program.argv)
        argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    std::vector<std::string> environment = environment_for(connection);
    std::vector<char*> envp;
    for (std::string& variable : environment)
        envp.push_back(variable.data());
    envp.push_back(nullptr);

    SpawnSettings settings;
    ::posix_spawn_file_actions_init(&settings.actions);
    ::posix_spawnattr_init(&settings.attributes);
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        ::posix_spawn_file_actions_adddup2(&settings.actions, connection, standard);
    ::posix_spawn_file_actions_addclosefrom_np(&settings.actions, STDERR_FILENO + 1);
    sigset_t signals;
    ::sigfillset(&signals);
    ::posix_spawnattr_setsigdefault(&settings.attributes, &signals);
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&settings.attributes, &signals);
    ::posix_spawnattr_setflags(&settings.attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);

    pid_t pid = 0;
    errno =
        ::posix_spawn(&pid, argv.front(), &settings.actions, &settings.attributes, argv.data(), envp.data());
    if (errno != 0) return std::nullopt;
    return pid;
}

void unblock_signals() noexcept {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool die_with_parent(int signal, pid_t expected) noexcept {
    ::prctl(PR_SET_PDEATHSIG, signal);
    return ::getppid() == expected;
}

void close_all_except(std::span<const int> kept) noexcept {
    constexpr unsigned first = 3;
    unsigned next = first;
    std::vector<int> sorted{kept.begin(), kept.end()};
    sorted.push_back(log_descriptor());
    for (const int fd : order_request_descriptors())
        sorted.push_back(fd);
    std::sort(sorted.begin(), sorted.end());
    for (const int fd : sorted) {
        if (fd < static_cast<int>(next)) continue;
        if (static_cast<unsigned>(fd) > next) ::close_range(next, static_cast<unsigned>(fd) - 1, 0);
        next = static_cast<unsigned>(fd) + 1;
    }
    ::close_range(next, ~0U, 0);
}

std::string describe_end(int status) {
    if (WIFSIGNALED(status)) {
        const int signal = WTERMSIG(status);
        return "was killed by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
    }
    return "exited with status " + std::to_string(WEXITSTATUS(status));
}

rlim_t raise_descriptor_limit() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    if (limit.rlim_cur != limit.rlim_max) {
        const rlim_t before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return before;
    }
    return limit.rlim_cur;
}

void need_stack() {
    constexpr rlim_t least = 256 * 1024;
    constexpr rlim_t usual = 8 * 1024 * 1024;
    rlimit limit{};
    if (::getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= least) return;
    limit.rlim_cur = std::min(limit.rlim_max, usual);
    if (limit.rlim_cur < least || ::setrlimit(RLIMIT_STACK, &limit) != 0)
        throw std::runtime_error{"the limit of the stack (ulimit -Hs) is " +
                                 std::to_string(limit.rlim_max / 1024) + " KiB; expected at least " +
                                 std::to_string(least / 1024)};
}

std::vector<int> list_descriptors() {
    std::vector<int> open;
    std::error_code no_proc;
    for (std::filesystem::directory_iterator entry{"/proc/self/fd", no_proc}, end; !no_proc && entry != end;
         entry.increment(no_proc))
        open.push_back(parse_number<int>(entry->path().filename().string()).value_or(-1));
    if (no_proc) {
        constexpr int looked_at = 65'536;  // More could take minutes: the limit may be 2^30.
        open.resize(looked_at);
        std::iota(open.begin(), open.end(), 0);
    }
    std::erase_if(open, [](int fd) { return ::fcntl(fd, F_GETFD) < 0; });  // And the listing's own.
    return open;
}

}  // namespace bullpen
