#include "pool/events.hpp"

#include <signal.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <stdexcept>
#include <utility>

namespace bullpen {

namespace asio = boost::asio;

namespace {

void unblock(int signal) noexcept {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, signal);
    ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
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

    Machinery() {
        signals.add(SIGCHLD);
        wait_for_signal();
        unblock(SIGCHLD);
    }

    void wait_for_signal() {
        signals.async_wait([this](boost::system::error_code error, int signal) {
            if (error) return;
            wakeup.child_changed = wakeup.child_changed || signal == SIGCHLD;
            wait_for_signal();
        });
    }
};

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
