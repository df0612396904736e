#include "core/program_starter.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <utility>

#include <bullpen/address.hpp>
#include "core/process.hpp"

namespace bullpen {
namespace {

constexpr std::string_view listen_pid = "LISTEN_PID=";
constexpr std::size_t pid_digits = 10;
constexpr int listen_fds_start = 3;

std::vector<int> signals_with_actions() {
    std::vector<int> changed;
    for (int signal = 1; signal < NSIG; ++signal) {
        struct sigaction action {};
        if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_DFL)
            changed.push_back(signal);
    }
    return changed;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (std::string& text : texts)
        pointers.push_back(text.data());
    return pointers;
}

}  // namespace

std::vector<std::string> variables_of_client(int socket) {
    const Address peer = Address::of_peer(socket);
    if (peer.family() == AF_UNIX) return {"PROTO=UNIX"};
    if (peer.family() == AF_UNSPEC) return {};
    const Address own = Address::of_socket(socket);
    const std::string host = peer.host();
    const std::string port = std::to_string(peer.port());
    return {"PROTO=TCP",
            "REMOTE_HOST=" + host,
            "REMOTE_ADDR=" + host,
            "REMOTE_PORT=" + port,
            "TCPREMOTEIP=" + host,
            "TCPREMOTEPORT=" + port,
            "TCPLOCALIP=" + own.host(),
            "TCPLOCALPORT=" + std::to_string(own.port())};
}

ProgramStarter::ProgramStarter(const Program& program, ProgramSetting setting)
    : program_{program}, setting_{std::move(setting)}, changed_signals_{signals_with_actions()} {
    if (setting_.path.empty()) setting_.path = program_.argv.front();
    arguments_ = pointers_to(program_.argv);
    arguments_.push_back(nullptr);
    if (!setting_.listen_fds) return;
    setting_.variables.emplace_back("LISTEN_FDS=1");
    pid_variable_ = listen_pid;
    pid_variable_.append(pid_digits, '\0');
}

std::optional<pid_t> ProgramStarter::start(int socket, std::span<std::string> of_client) {
    std::vector<char*> environment = pointers_to(setting_.variables);
    for (std::string& variable : of_client)
        environment.push_back(variable.data());
    if (setting_.listen_fds) environment.push_back(pid_variable_.data());
    environment.push_back(nullptr);
    const SignalsBlocked blocked;  // The child would run our handlers in our memory.
    failure_ = 0;
    const pid_t starter = ::getpid();
    const pid_t pid = ::vfork();
    if (pid == 0) {
        // A starter that has died meanwhile will send no signal.
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != starter) ::_exit(1);
        become(socket, environment.data());
    }
    if (pid < 0) return {};
    if (failure_ == 0) return pid;
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR)
        continue;
    errno = failure_;
    return {};
}

/// In the child, which borrows this process's memory until it has executed the program.
void ProgramStarter::become(int socket, char* const* environment) noexcept {
    ::setsid();
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    for (const int signal : changed_signals_)
        ::sigaction(signal, &by_default, nullptr);
    arrange_descriptors(socket);
    if (setting_.listen_fds) {
        char* const digits = pid_variable_.data() + listen_pid.size();
        *std::to_chars(digits, digits + pid_digits, ::getpid()).ptr = '\0';
    }
    unblock_signals();
    ::execve(setting_.path.c_str(), arguments_.data(), environment);
    failure_ = errno;
    ::_exit(1);
}

void ProgramStarter::arrange_descriptors(int socket) const noexcept {
    int blocking = 0;
    ::ioctl(socket, FIONBIO, &blocking);
    if (setting_.listen_fds) {
        const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        ::dup2(nothing, STDIN_FILENO);
        ::dup2(nothing, STDOUT_FILENO);
        if (socket == listen_fds_start)
            ::fcntl(socket, F_SETFD, 0);
        else
            ::dup2(socket, listen_fds_start);
    } else {
        for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
            ::dup2(socket, standard);
    }
    const unsigned first_closed = setting_.listen_fds ? listen_fds_start + 1 : STDERR_FILENO + 1;
    ::close_range(first_closed, ~0U, 0);
}

}  // namespace bullpen
