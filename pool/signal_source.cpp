#include "pool/signal_source.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <bullpen/clock.hpp>
#include "pool/forked_child.hpp"

namespace bullpen {
namespace {

/// From here on changes of this open file send the signal to this process.
bool send_signals(int fd, int number) noexcept {
    return ::fcntl(fd, F_SETOWN, ::getpid()) == 0 && ::fcntl(fd, F_SETSIG, number) == 0 &&
           ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_ASYNC) == 0;
}

void send_none(int fd) noexcept {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_ASYNC);
}

/// Not of SCTP: that its client has ended wakes who waits for it, but sends no signal.
bool sends_for_the_end(int fd) noexcept {
    int protocol = 0;
    socklen_t size = sizeof protocol;
    return ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 || protocol != IPPROTO_SCTP;
}

}  // namespace

SignalSource::SignalSource() : number_{SIGRTMIN} {
    sigset_t ours;
    ::sigemptyset(&ours);
    ::sigaddset(&ours, number_);
    ::sigaddset(&ours, SIGIO);
    ::pthread_sigmask(SIG_BLOCK, &ours, &before_);
    signals_.reset(::signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) throw std::system_error{errno, std::generic_category(), "cannot create a signalfd"};
    keep_from_children(signals_.get());
    run_in_children([before = before_] { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); });
}

/// What is still in the queue would have its action at once.
SignalSource::~SignalSource() {
    for (std::size_t fd = 0; fd < watched_.size(); ++fd)
        forget(static_cast<int>(fd));
    (void)read_signals();
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

SignalSource::Watched& SignalSource::at(int fd) noexcept {
    const auto index = static_cast<std::size_t>(fd);
    if (index >= watched_.size()) watched_.resize(index + 1);
    return watched_[index];
}

bool SignalSource::watch(int fd, Await what) noexcept {
    Watched& watched = at(fd);
    if (!watched.signals) {
        if (!send_signals(fd, number_)) return false;
        watched.signals = true;
        watched.for_the_end = sends_for_the_end(fd);
    }
    watched.events = what == Await::input ? POLLIN : POLLOUT;
    doubt(fd);
    return true;
}

bool SignalSource::watch_shared(int fd) noexcept {
    shared_.push_back(fd);
    return true;
}

/// A child process may have the open file for longer.
void SignalSource::forget(int fd) noexcept {
    std::erase(shared_, fd);
    Watched& watched = at(fd);
    if (watched.is_doubted) std::erase(doubted_, fd);
    if (watched.signals) send_none(fd);
    watched = {};
}

void SignalSource::doubt(int fd) noexcept {
    if (std::exchange(at(fd).is_doubted, true)) return;
    doubted_.push_back(fd);
}

std::span<const int> SignalSource::wait(std::optional<std::chrono::nanoseconds> at_most) noexcept {
    ready_.clear();
    ask_about_doubted(at_most);
    if (read_signals() && ready_.empty()) ask_about_doubted(std::chrono::nanoseconds{0});
    return ready_;
}

/// Waits for signals, too, and for what is shared. For those that aren't ready a signal will come.
void SignalSource::ask_about_doubted(std::optional<std::chrono::nanoseconds> at_most) noexcept {
    polled_.clear();
    polled_.push_back({.fd = signals_.get(), .events = POLLIN, .revents = 0});
    for (const int fd : shared_)
        polled_.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    for (const int fd : doubted_)
        polled_.push_back({.fd = fd, .events = at(fd).events, .revents = 0});
    const timespec span = to_timespec(at_most.value_or(std::chrono::nanoseconds{0}));
    if (::ppoll(polled_.data(), polled_.size(), at_most ? &span : nullptr, nullptr) < 0) return;
    const auto asked = std::span{polled_}.subspan(1);
    for (const pollfd& one : asked)
        if (one.revents != 0) ready_.push_back(one.fd);
    doubted_.clear();
    for (const pollfd& one : asked.subspan(shared_.size())) {
        Watched& watched = at(one.fd);
        // Room in a TCP socket brings a signal, too, but in a UNIX socket it doesn't (unix_poll() doesn't ask
        // for it).
        const bool brings_signal = one.events == POLLIN && watched.for_the_end;
        watched.is_doubted = one.revents == 0 && !brings_signal;
        if (watched.is_doubted) doubted_.push_back(one.fd);
    }
}

bool SignalSource::read_signals() noexcept {
    std::array<signalfd_siginfo, 64> told;
    bool any = false;
    bool overflowed = false;
    for (ssize_t size = 0; (size = ::read(signals_.get(), told.data(), sizeof told)) > 0;) {
        const auto count = static_cast<std::size_t>(size) / sizeof told[0];
        any = true;
        for (const signalfd_siginfo& one : std::span{told}.first(count)) {
            if (one.ssi_signo == SIGIO)
                overflowed = true;
            else if (at(one.ssi_fd).events != 0)
                doubt(one.ssi_fd);
        }
    }
    if (!overflowed) return any;
    ++sweeps_;
    for (std::size_t fd = 0; fd < watched_.size(); ++fd)
        if (watched_[fd].events != 0) doubt(static_cast<int>(fd));
    return any;
}

}  // namespace bullpen
