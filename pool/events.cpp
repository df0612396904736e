#include "pool/events.hpp"

#include <signal.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>

namespace bullpen {

namespace asio = boost::asio;

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
        for (const int signal : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD})
            signals.add(signal);
        wait_for_signal();
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
            case SIGCHLD: wakeup.child_exited = true; break;
            case SIGINT: wakeup.interrupted = wakeup.stop = true; break;
            case SIGHUP:  // The terminal is gone; to a server that has none it means nothing.
                if (::isatty(STDIN_FILENO) != 0 || ::isatty(STDERR_FILENO) != 0) wakeup.stop = true;
                break;
            default: wakeup.stop = true;
        }
    }
};

Events::Events() : machinery_{std::make_unique<Machinery>()} {
    ::signal(SIGPIPE, SIG_IGN);
}

Events::~Events() = default;

Events::Watch Events::watch(int fd) {
    return Watch{std::make_shared<Watch::Source>(machinery_->context, fd)};
}

Wakeup Events::wait_until(TimePoint deadline) {
    asio::io_context& context = machinery_->context;
    if (deadline <= Clock::now())
        context.poll_one();  // Asio's run_one_until would not even look.
    else
        context.run_one_until(deadline);
    return std::exchange(machinery_->wakeup, {});
}

}  // namespace bullpen
