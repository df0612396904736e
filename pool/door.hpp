/// The clients that wait in the kernel: a pool's listeners, and how the master lets them in.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/listener.hpp"
#include "pool/admission.hpp"
#include "pool/connections.hpp"
#include "pool/events.hpp"

namespace bullpen {

/// Lives in the master. Accepts one client at a time and never until EAGAIN: a failing accept4 costs a tenth
/// of a handoff. It knows a lower bound of how many wait, because only the master takes from the backlog. The
/// listeners take turns.
class Door {
public:
    /// `pool` is the name for log lines; `pause` how long to leave the listeners alone after accept4 failed
    /// for want of descriptors or memory. Throws std::runtime_error if there are none or more than
    /// listeners_max.
    Door(std::string pool, std::vector<Listener> listeners, std::chrono::milliseconds pause,
         Connections& connections, Admission& admission);

    [[nodiscard]] const std::vector<Listener>& listeners() const noexcept { return listeners_; }

    /// For a pool whose master accepts: from here on they are non-blocking and can be watched.
    void accept_in_master(Events& events);

    /// For a pool whose workers accept: blocking, unless a worker has several to wait on or waits for more
    /// than clients.
    void accept_in_workers(bool event_driven) noexcept;

    /// The next client that admission lets in, which waits from then on; the others are refused. Nothing if
    /// none is known to wait, or at a failure (which may begin a pause). Needs room in the table for one.
    std::optional<Place> let_in(TimePoint now) noexcept;

    /// There is no place for one more connection. Whether one waits, from the kernel; from then on, none is
    /// let in until a turn in which there may be room.
    [[nodiscard]] bool still_has_clients() noexcept;
    void set_full(bool full) noexcept { full_ = full; }
    [[nodiscard]] bool is_full() const noexcept { return full_; }

    /// Whether a client that comes now could be let in at once.
    [[nodiscard]] bool is_open(TimePoint now) const noexcept {
        return !full_ && !states_.empty() && !is_pausing(now);
    }
    [[nodiscard]] bool is_pausing(TimePoint now) const noexcept { return now < again_; }

    /// Arms the watches of the listeners on which no client is known to wait. False if one is known: do not
    /// block.
    bool watch() noexcept;

    /// The same when no client is to be taken: to learn that one is there.
    void watch_for_first() noexcept;

    /// Whether a client is known to wait.
    [[nodiscard]] bool is_known_to_wait() const noexcept;

    /// Whether a client waits, from the kernel (poll(2)).
    [[nodiscard]] bool has_clients() const noexcept;

    /// How many wait, from the kernel; where it won't say, 1 for a listener that has some.
    [[nodiscard]] int length() const noexcept;

    /// See Listener::stop_new_clients.
    void stop_new_clients() noexcept;

    /// Closes the listeners. Whoever still waits is reset.
    void close() noexcept;

    /// While clients are known to wait at some listeners, watches the others, whose turn would not come
    /// otherwise. When to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) noexcept;

private:
    struct State {
        Events::Watch watch;
        unsigned known_waiting = 0;  ///< At least so many clients are in the backlog.
        bool crowded = false;        ///< There were several at the last look: ask how many before accepting.
        unsigned calm_turns = 0;     ///< Since we last asked,
        unsigned ask_after = 16;     ///< and how many there shall be before we ask again.
    };

    std::optional<Place> accept(TimePoint now) noexcept;
    std::optional<Place> accept_from(std::size_t listener, TimePoint now) noexcept;
    void look_at_queue(std::size_t listener) noexcept;
    std::nullopt_t pause(int error, TimePoint now) noexcept;

    std::string pool_;
    std::chrono::milliseconds pause_;
    Connections& connections_;
    Admission& admission_;
    std::vector<Listener> listeners_;
    std::vector<State> states_;  ///< Of each listener, where the master accepts.
    std::size_t next_ = 0;       ///< The listener whose turn it is.
    int failures_ = 0;           ///< Of accept4, in a row.
    bool full_ = false;
    TimePoint again_{};
    TimePoint warned_{};
};

}  // namespace bullpen
