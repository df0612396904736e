/// Events: the master's one wait, for signals, listeners, wake-ups by workers, and a deadline.
#pragma once

#include <memory>

#include <bullpen/clock.hpp>

namespace bullpen {

/// What came during one wait. Events only records; Master::serve() decides.
struct Wakeup {
    bool child_changed = false;  ///< At least one SIGCHLD: a child has ended, stopped or continued.
};

/// Wraps Boost.Asio: one epoll_wait a turn. Made, used and destroyed in the master; a forked child never
/// touches it and closes its descriptors (close_all_except).
class Events {
public:
    /// A descriptor that the master waits on. A watch is one-shot: once armed, it becomes ready when there is
    /// input, and does nothing more until it is armed again (one epoll_ctl).
    class Watch {
    public:
        ~Watch();
        Watch(Watch&&) noexcept;
        Watch& operator=(Watch&&) = delete;

        void arm();
        [[nodiscard]] bool ready() const noexcept;
        void clear_ready() noexcept;

    private:
        friend class Events;
        struct Source;
        explicit Watch(std::shared_ptr<Source> source) noexcept;
        std::shared_ptr<Source> source_;
    };

    /// Installs a handler for SIGCHLD, unblocks it, and ignores SIGPIPE. Throws boost::system::system_error
    /// or std::runtime_error.
    Events();
    ~Events();
    Events(const Events&) = delete;
    Events& operator=(const Events&) = delete;

    /// Watches a borrowed descriptor, which must outlive the Watch.
    [[nodiscard]] Watch watch(int fd);

    /// Blocks until a signal or a ready watch is recorded, or the deadline has passed.
    Wakeup wait_until(TimePoint deadline);

private:
    struct Machinery;
    std::unique_ptr<Machinery> machinery_;
};

}  // namespace bullpen
