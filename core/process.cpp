#include "core/process.hpp"

#include <linux/close_range.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

namespace bullpen {
namespace {

/// The memory of argv[0]…argv[argc - 1], which ps reads through /proc/PID/cmdline. The C library hands it to
/// constructors, so that a library user's main() needn't.
std::span<char> command_line;

[[gnu::constructor]] void remember_command_line(int argc, char** argv) {
    if (argc < 1 || argv == nullptr || argv[0] == nullptr) return;
    char* end = argv[0];
    for (int i = 0; i < argc && argv[i] == end; ++i)
        end += std::strlen(argv[i]) + 1;
    command_line = {argv[0], end};
}

void reset_signal_actions() noexcept {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    // Those that a server handles or ignores; all 64 would be most of a short-lived child's system calls.
    for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD})
        ::sigaction(signal, &action, nullptr);
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

std::optional<pid_t> spawn_child(const std::function<int()>& body) {
    const SignalsBlocked blocked;
    const pid_t pid = ::fork();
    if (pid < 0) return std::nullopt;
    if (pid > 0) return pid;

    reset_signal_actions();
    int status = 1;
    try {
        status = body();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bullpen: process %d: %s\n", static_cast<int>(::getpid()), error.what());
    } catch (...) {
        std::fprintf(stderr, "bullpen: process %d: unknown exception\n", static_cast<int>(::getpid()));
    }
    ::_exit(status);
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
    std::sort(sorted.begin(), sorted.end());
    for (const int fd : sorted) {
        if (fd < static_cast<int>(next)) continue;
        if (static_cast<unsigned>(fd) > next) ::close_range(next, static_cast<unsigned>(fd) - 1, 0);
        next = static_cast<unsigned>(fd) + 1;
    }
    ::close_range(next, ~0U, 0);
}

void set_process_title(std::string_view title) noexcept {
    const std::string name{title.substr(0, 15)};
    ::prctl(PR_SET_NAME, name.c_str());
    if (command_line.empty()) return;
    const std::size_t size = std::min(title.size(), command_line.size() - 1);
    std::memset(command_line.data(), 0, command_line.size());
    std::memcpy(command_line.data(), title.data(), size);
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

}  // namespace bullpen
