#include "core/meaningless_signals.hpp"

#include <initializer_list>

namespace bullpen {
namespace {

void do_nothing(int) {}

template <typename Function>
void for_each_meaningless(Function function) noexcept {
    for (const int signal : {SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT})
        function(signal);
    for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal)
        function(signal);
}

bool has_action(int signal, void (*action)(int)) noexcept {
    struct sigaction now {};
    return ::sigaction(signal, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 &&
           now.sa_handler == action;
}

void set_action(int signal, void (*action)(int)) noexcept {
    struct sigaction wanted {};
    wanted.sa_handler = action;
    wanted.sa_flags = SA_RESTART;
    ::sigaction(signal, &wanted, nullptr);
}

}  // namespace

sigset_t meaningless_signals() noexcept {
    sigset_t set;
    ::sigemptyset(&set);
    for_each_meaningless([&](int signal) { ::sigaddset(&set, signal); });
    return set;
}

void outlive_meaningless_signals() noexcept {
    for_each_meaningless([](int signal) {
        if (has_action(signal, SIG_DFL)) set_action(signal, do_nothing);
    });
}

bool is_outlived(int signal) noexcept {
    return has_action(signal, do_nothing);
}

void restore_meaningless_signals() noexcept {
    for_each_meaningless([](int signal) {
        if (is_outlived(signal)) set_action(signal, SIG_DFL);
    });
}

}  // namespace bullpen
