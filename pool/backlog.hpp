/// The clients that wait in the kernel: a pool's listeners, and how the master takes from them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/listener.hpp"
#include "pool/events.hpp"
#include "pool/held_client.hpp"

namespace bullpen {

/// Lives in the master. Accepts one client at a time and never until EAGAIN: a failing accept4 costs a tenth
/// of a handoff. It knows a lower bound of how many wait, because only the master takes from the backlog.
class Backlog {
public:
    /// `pool` is the name for log lines; `pause` how long to leave the listeners alone after accept4 failed
    /// for want of descriptors or memory. Throws std::runtime_error if there are none or more than
    /// listeners_max.
    Backlog(std::string pool, std::vector<Listener> listeners, std::chrono::milliseconds pause);

    [[nodiscard]] const std::vector<Listener>& listeners() const noexcept { return listeners_; }

    /// For a pool whose master accepts: from here on they are non-blocking and can be watched.
    void accept_in_master(Events& events);

    /// For a pool whose workers accept: blocking, unless a worker has several to wait on or waits for more
    /// than clients.
    void accept_in_workers(bool event_driven) noexcept;

    /// Arms the watches of the listeners on which no client is known to wait. False if one is known: do not
    /// block.
    bool watch() noexcept;

    /// The same when no client is to be taken: to learn that one is there.
    void watch_for_first() noexcept;

    /// Whether a client is known to wait.
    [[nodiscard]] bool is_known_to_wait() const noexcept;

    /// The next client, with the time of its accept, who it is and its listener; nothing if none is known to
    /// wait, or at a failure (which may begin a pause).
    std::optional<HeldClient> accept() noexcept;

    [[nodiscard]] bool pausing(TimePoint now) const noexcept { return now < again_; }
    [[nodiscard]] TimePoint pause_end() const noexcept { return again_; }

    /// Whether a client waits, from the kernel (poll(2)).
    [[nodiscard]] bool has_clients() const noexcept;

    /// How many wait, from the kernel; where it won't say, 1 for a listener that has some.
    [[nodiscard]] int length() const noexcept;

    /// See Listener::stop_new_clients.
    void stop_new_clients() noexcept;

    /// Closes the listeners. Whoever still waits is reset.
    void close() noexcept;

private:
    struct State {
        Events::Watch watch;
        unsigned known_waiting = 0;  ///< At least so many clients are in the backlog.
        bool crowded = false;        ///< There were several at the last look: ask how many before accepting.
        unsigned calm_turns = 0;     ///< Since we last asked,
        unsigned ask_after = 16;     ///< and how many there shall be before we ask again.
    };

    std::optional<HeldClient> accept_from(std::size_t listener) noexcept;
    void look_at_queue(std::size_t listener) noexcept;
    void pause(int error) noexcept;

    std::string pool_;
    std::chrono::milliseconds pause_;
    std::vector<Listener> listeners_;
    std::vector<State> states_;  ///< Of each listener, where the master accepts.
    TimePoint again_{};
    TimePoint warned_{};
};

}  // namespace bullpen
