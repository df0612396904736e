/// For tests: what is told of a handoff at the first system call that takes bytes from a socket, writes to it
/// or ends it.
#pragma once

#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <functional>
#include <optional>

#include <bullpen/detail/handoff_note.hpp>

namespace bullpen {

namespace first_transfer {

inline HandoffNote note{};  ///< The process's own.

constexpr int told = 32;  ///< Exit statuses: with Progress added;
constexpr int none = 64;  ///< there was no such call;
constexpr int odd = 99;   ///< there is no such filter here.

/// The signal comes in place of the system call.
inline void exit_with_what_is_told(int) {
    ::_exit(told + static_cast<int>(note.read().progress));
}

inline bool set_trap() {
    struct sigaction action {};
    action.sa_handler = exit_with_what_is_told;
    ::sigaction(SIGSYS, &action, nullptr);
    constexpr auto argument = [](unsigned index) {
        return static_cast<unsigned>(offsetof(seccomp_data, args) + index * sizeof(std::uint64_t));
    };
    constexpr auto load = [](unsigned offset) {
        return sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
    };
    constexpr auto if_equal = [](unsigned value, unsigned char skip_if, unsigned char skip_else) {
        return sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, skip_if, skip_else);
    };
    // Jumps are counted from the next line on. MSG_PEEK takes nothing. TCP_CORK sends, the options of
    // SOL_SOCKET don't.
    std::array<sock_filter, 13> filter{
        load(offsetof(seccomp_data, nr)),
        if_equal(SYS_sendto, 10, 0),
        if_equal(SYS_sendmsg, 9, 0),
        if_equal(SYS_sendfile, 8, 0),
        if_equal(SYS_shutdown, 7, 0),
        if_equal(SYS_setsockopt, 3, 0),
        if_equal(SYS_recvfrom, 0, 4),
        load(argument(3)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MSG_PEEK, 2, 3),
        load(argument(1)),
        if_equal(IPPROTO_TCP, 1, 0),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    const sock_fprog program{.len = filter.size(), .filter = filter.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace first_transfer

/// Runs `body` in a process of its own, which ends at that call. Nothing: there was none.
inline std::optional<Progress> told_at_first_transfer(const std::function<void(HandoffProgress)>& body) {
    using namespace first_transfer;
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        constexpr int patience_s = 60;
        ::alarm(patience_s);
        HandoffProgress handoff{note, 1};
        handoff.receive({}, false);
        if (!set_trap()) ::_exit(odd);
        body(handoff);
        ::_exit(none);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    REQUIRE(WIFEXITED(status));
    const int code = WEXITSTATUS(status);
    if (code == none) return {};
    REQUIRE(code >= told);
    REQUIRE(code <= told + static_cast<int>(Progress::touched));
    return static_cast<Progress>(code - told);
}

}  // namespace bullpen
