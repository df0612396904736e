#include "pool/stray_order.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace bullpen {
namespace {

constexpr pid_t nobody = -1;

std::array<std::atomic<pid_t>, NSIG> senders;  // The signal handler writes it; it needs no lock.
static_assert(std::atomic<pid_t>::is_always_lock_free);
std::atomic<int> told{-1};

void note(int signal, siginfo_t* info, void*) {
    if (info->si_code > 0) return;  // By the kernel.
    const int saved = errno;
    senders[static_cast<std::size_t>(signal)] = info->si_pid;
    constexpr std::uint64_t one = 1;
    (void)!::write(told, &one, sizeof one);
    errno = saved;
}

}  // namespace

void note_stray_orders(std::span<const int> signals, int news) noexcept {
    for (std::atomic<pid_t>& sender : senders)
        sender = nobody;
    told = news;
    for (const int signal : signals) {
        struct sigaction action {};
        ::sigaction(signal, nullptr, &action);
        if (action.sa_handler == SIG_IGN) continue;
        action = {};
        action.sa_sigaction = note;
        action.sa_flags = SA_SIGINFO | SA_RESTART;
        ::sigaction(signal, &action, nullptr);
    }
}

std::optional<StrayOrder> take_stray_order() noexcept {
    for (std::size_t signal = 0; signal < senders.size(); ++signal)
        if (const pid_t sender = senders[signal].exchange(nobody); sender != nobody)
            return StrayOrder{.signal = static_cast<int>(signal), .sender = sender};
    return {};
}

}  // namespace bullpen
