#include "pool/events.hpp"

#include <signal.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <initializer_list>
#include <stdexcept>
#include <utility>

namespace bullpen {

namespace asio = boost::asio;

namespace {

constexpr std::initializer_list<int> stop_signals = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};

void change_mask(int how, std::initializer_list<int> signals) noexcept {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : signals)
        ::sigaddset(&set, signal);
    ::sigprocmask(how, &set, nullptr);
}

void unblock(std::initializer_list<int> signals) noexcept {
    change_mask(SIG_UNBLOCK, signals);
}

bool is_ignored(int signal) noexcept {
    struct sigaction action {};
    return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

struct Events::Watch::Source : std::enable_shared_from_this<Source> {
    Source(asio::io_context& context, int fd) : descriptor{context, fd} {}

    void arm() {
        if (armed) return;
        armed = true;
        descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                              [self = shared_from_this()](boost::system::error_code error) {
                                  self->armed = false;
                                  if (error != asio::error::operation_aborted) self->ready = true;
                              });
    }

    asio::posix::stream_descriptor descriptor;
    bool armed = false;
    bool ready = false;
};

Events::Watch::Watch(std::shared_ptr<Source> source) noexcept : source_{std::move(source)} {}
Events::Watch::Watch(Watch&&) noexcept = default;

Events::Watch::~Watch() {
    if (source_) source_->descriptor.release();  // The descriptor is borrowed: stop watching, don't close.
}

void Events::Watch::arm() {
    source_->arm();
}

bool Events::Watch::ready() const noexcept {
    return source_->ready;
}

void Events::Watch::clear_ready() noexcept {
    source_->ready = false;
}

struct Events::Machinery {
    asio::io_context context{1};  // One thread: Asio leaves out its locks.
    asio::signal_set signals{context};
    Wakeup wakeup;
    const bool has_terminal = ::isatty(STDIN_FILENO) != 0 || ::isatty(STDERR_FILENO) != 0;

    Machinery() {
        for (const int signal : stop_signals)
            if (!is_ignored(signal)) signals.add(signal);  // nohup(1) ignores SIGHUP on purpose.
        signals.add(SIGCHLD);
        wait_for_signal();
        unblock(stop_signals);
        unblock({SIGCHLD});
    }

    void wait_for_signal() {
        signals.async_wait([this](boost::system::error_code error, int signal) {
            if (error) return;
            record(signal);
            wait_for_signal();
        });
    }

    void record(int signal) noexcept {
        switch (signal) {
            case SIGCHLD: wakeup.child_changed = true; break;
            case SIGINT: wakeup.interrupted = wakeup.stop = true; break;
            case SIGHUP:  // The terminal is gone; ignored by a server without one.
                if (has_terminal) wakeup.stop = true;
                break;
            default: wakeup.stop = true;
        }
    }
};

void Events::hold_signals() noexcept {
    change_mask(SIG_BLOCK, stop_signals);
}

/// Asio reports no error if it can't watch the pipe that its signal handlers write to; then no signal would
/// ever be seen. So a signal is sent to try it.
Events::Events() : machinery_{std::make_unique<Machinery>()} {
    ::signal(SIGPIPE, SIG_IGN);
    ::raise(SIGCHLD);
    machinery_->context.poll();
    if (!std::exchange(machinery_->wakeup.child_changed, false))
        throw std::runtime_error{
            "cannot watch for signals: the kernel is out of descriptors or memory for epoll"};
}

Events::~Events() = default;

Events::Watch Events::watch(int fd) {
    return Watch{std::make_shared<Watch::Source>(machinery_->context, fd)};
}

Wakeup Events::wait_until(TimePoint deadline) {
    asio::io_context& context = machinery_->context;
    if (deadline <= Clock::now())
        context.poll_one();  // Asio's run_one_until would return without a look.
    else
        context.run_one_until(deadline);
    return std::exchange(machinery_->wakeup, {});
}

}  // namespace bullpen
