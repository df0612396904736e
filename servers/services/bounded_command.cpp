#include "servers/services/bounded_command.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "core/process.hpp"

namespace bullpen {
namespace {

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (const std::string& text : texts)
        pointers.push_back(const_cast<char*>(text.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

std::pair<UniqueFd, UniqueFd> make_pipe(int flags) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), flags) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot make a pipe"};
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

bool limit(__rlimit_resource resource, std::uint64_t most) noexcept {
    const rlimit both{.rlim_cur = most, .rlim_max = most};
    return ::setrlimit(resource, &both) == 0;
}

bool become(const CommandBounds& bounds) noexcept {
    if (!bounds.user) return true;
    return ::setgroups(1, &bounds.group) == 0 && ::setgid(bounds.group) == 0 && ::setuid(*bounds.user) == 0;
}

/// Between fork and exec in a process that had several threads: async-signal-safe calls alone. Returns only
/// if something failed, with errno.
void execute(char* const* argv, char* const* envp, int output, const CommandBounds& bounds) noexcept {
    struct sigaction usual {};
    usual.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal)
        ::sigaction(signal, &usual, nullptr);
    ::setsid();
    const int nothing = ::open("/dev/null", O_RDONLY);
    if (nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
        ::dup2(output, STDERR_FILENO) < 0)
        return;
    ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    if (!limit(RLIMIT_CORE, 0) || !limit(RLIMIT_CPU, bounds.cpu_s) || !limit(RLIMIT_AS, bounds.memory_bytes))
        return;
    if (!become(bounds)) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // After setuid(2), which clears it.
    unblock_signals();
    ::execve(argv[0], argv, envp);
}

}  // namespace

/// The child says by a pipe that an exec closes why it couldn't become the program.
BoundedCommand::BoundedCommand(const std::vector<std::string>& argv, const CommandBounds& bounds) {
    const std::vector<char*> arguments = pointers_to(argv);
    const std::vector<char*> variables = pointers_to(bounds.variables);
    auto [output, input] = make_pipe(O_CLOEXEC);
    auto [outcome, trouble] = make_pipe(O_CLOEXEC);
    ::fcntl(output.get(), F_SETFL, O_NONBLOCK);
    {
        const SignalsBlocked blocked;
        pid_ = ::fork();
        if (pid_ == 0) {
            execute(arguments.data(), variables.data(), input.get(), bounds);
            const int error = errno;
            (void)!::write(trouble.get(), &error, sizeof error);
            ::_exit(127);
        }
    }
    if (pid_ < 0) throw std::system_error{errno, std::generic_category(), "cannot start a process"};
    trouble.reset();
    int error = 0;
    ssize_t told = 0;
    while ((told = ::read(outcome.get(), &error, sizeof error)) < 0 && errno == EINTR)
        continue;
    if (told == sizeof error) {
        finish();
        throw std::system_error{error, std::generic_category(), argv.front()};
    }
    output_ = std::move(output);
    end_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (end_) return;
    const int why = errno;
    finish();
    throw std::system_error{why, std::generic_category(), "cannot watch a process"};
}

BoundedCommand::~BoundedCommand() {
    finish();
}

/// The group is killed before the child is reaped: until then nobody else can have its number.
int BoundedCommand::finish() noexcept {
    int status = 0;
    if (pid_ <= 0) return status;
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);  // It may not have become its group's leader yet.
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR)
        continue;
    pid_ = 0;
    return status;
}

}  // namespace bullpen
