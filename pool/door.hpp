/// The door: a pool's listeners, and how the master accepts the clients that wait in the kernel's backlog.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <bullpen/clock.hpp>
#include "core/listener.hpp"
#include "core/shared_array.hpp"
#include "pool/admission.hpp"
#include "pool/connections.hpp"
#include "pool/events.hpp"
#include "pool/open_descriptors.hpp"
#include "pool/start_rate.hpp"

namespace bullpen {

/// Lives in the master. Accepts one client at a time and never until EAGAIN, because a failing accept4 costs
/// a tenth of a handoff. The door knows a lower bound of the clients in each backlog, because only the master
/// takes from it. The listeners take turns.
class Door {
public:
    /// `pool` is the name for log lines. `pause` is how long nothing is accepted after accept4 failed for
    /// lack of descriptors or memory. Throws std::runtime_error if there are no listeners or more than
    /// listeners_max (64).
    Door(std::string pool, std::vector<Listener> listeners, std::chrono::milliseconds pause,
         Connections& connections, Admission& admission);

    /// A listener keeps its place: those that are closed are among them.
    [[nodiscard]] const std::vector<Listener>& listeners() const noexcept { return listeners_; }

    /// Whether it serves: a reload hasn't removed it, and no stop has closed it.
    [[nodiscard]] bool is_in_service(std::size_t listener) const noexcept {
        return stages_[listener].load(std::memory_order_relaxed) == serving;
    }

    // For a reload, between two masters.

    /// The places that these would get; nothing if there are too few: a door has listeners_max.
    [[nodiscard]] std::optional<std::vector<std::size_t>> places_for(
        const std::vector<Listener>& added) const;

    /// Adds a listener at its place. Those that need a new one are added in the order of their places.
    void add(std::size_t place, Listener listener) noexcept;

    /// No new client gets in through it any more; it is closed once its backlog has been empty for a while.
    void remove(std::size_t listener) noexcept { stages_[listener] = leaving; }

    /// Leaves a listener to another door, which has its twin.
    void give_away(std::size_t listener) noexcept;

    /// See Listener::change.
    void change(const ListenOptions& options) noexcept;

    /// The files of UNIX sockets are this door's from here on.
    void own_files() noexcept;

    // For a master whose predecessor has died, or has made room for it.

    /// Whether the number was that of a listener that is closed, or was about to be: it may be another's now.
    [[nodiscard]] bool has_closed(int fd) const noexcept;

    /// Closes what was about to be closed; before anything is opened.
    void adopt(OpenDescriptors& open) noexcept;

    /// From here on children don't get what is the master's alone.
    void keep_from_children() noexcept {
        stages_.keep_from_children();
        lacks_file_.keep_from_children();
    }

    // A master's turns.

    /// For a pool whose master accepts, or starts a worker when a datagram waits: makes the listeners
    /// non-blocking and prepares to watch them.
    void watch_by(Events& events, TimePoint now);

    /// For a pool whose workers accept: makes the listeners blocking if there is one and `event_driven` is
    /// false, else non-blocking.
    void accept_in_workers(bool event_driven) noexcept;

    /// Lets in so many clients a minute, and has the others wait in the kernel; 0: any number.
    void limit_rate(int a_minute) noexcept { rate_ = StartRate{a_minute}; }

    /// Accepts nobody until release().
    void hold() noexcept { again_ = TimePoint::max(); }
    void release() noexcept { again_ = {}; }

    /// Accepts clients until admission lets one in, refuses the others, and returns that one, which waits
    /// from then on. Returns nothing if no client is known to wait, or after a failure (which may begin a
    /// pause). Needs room in the table for one.
    std::optional<Place> let_in(TimePoint now) noexcept;

    /// Whether one of the listeners has accepted the socket.
    [[nodiscard]] bool has_accepted(int socket) const noexcept;

    /// For a master whose predecessor has died: takes in a connection that it had just accepted, and no more.
    /// Empties `socket` if it is of one of these listeners and its client is still there. Needs room for one.
    std::optional<Place> take_in(UniqueFd& socket, TimePoint now) noexcept;

    /// For a caller without a place for one more connection: asks the kernel whether a client waits. If not,
    /// none is known to wait any more.
    [[nodiscard]] bool still_has_clients() noexcept;
    /// Whether there is no room for one more connection: while it is full, no client is let in.
    void set_full(bool full) noexcept { full_ = full; }
    [[nodiscard]] bool is_full() const noexcept { return full_; }

    /// Whether a client that arrives now could be let in at once.
    [[nodiscard]] bool is_open(TimePoint now) const noexcept {
        return !full_ && !states_.empty() && !is_pausing(now);
    }
    [[nodiscard]] bool is_pausing(TimePoint now) const noexcept { return now < again_; }

    /// Arms the watches of the listeners on which no client is known to wait. Returns false if a client is
    /// known to wait somewhere: the master must not block.
    bool watch() noexcept;

    /// The same for a master that won't accept now, and only wants to learn that a client has come.
    void watch_for_first() noexcept;

    /// The same for one that accepts nobody: whatever waits, or has been waiting, wakes it.
    void watch_again();

    /// Whether a client is known to wait.
    [[nodiscard]] bool is_known_to_wait() const noexcept;

    /// Whether a client waits, as the kernel says (poll(2)).
    [[nodiscard]] bool has_clients() const noexcept;

    /// The number of clients that wait, as the kernel says. A listener whose number it doesn't tell counts as
    /// 1 if clients wait on it.
    [[nodiscard]] int length() const noexcept;

    /// Closes the removed listeners on which no client has waited for `settle`.
    void close_removed(std::chrono::milliseconds settle, TimePoint now) noexcept;

    /// See Listener::stop_new_clients.
    void stop_new_clients() noexcept;

    /// Closes the listeners. Connections in their backlogs are reset.
    void close() noexcept;

    /// In the keeper: forgets the listeners that masters have closed, and returns their numbers.
    std::vector<int> forget_closed();

    /// Watches the listeners without known clients while others have some, so that each gets its turn.
    /// Returns when to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) noexcept;

private:
    /// Of a listener. In memory that outlives a master, which sets it but for the first two.
    enum Stage : std::uint32_t { serving, leaving, closing, closed };

    struct State {
        std::optional<Events::Watch> watch;   ///< Nothing: the listener is closed.
        std::optional<TimePoint> calm_since;  ///< It is leaving, and this is when a client last waited.
        unsigned known_waiting = 0;           ///< A lower bound of the clients in the backlog.
        bool crowded = false;     ///< Several waited at the last look: ask for their number before accepting.
        unsigned calm_turns = 0;  ///< Turns since the kernel was last asked;
        unsigned ask_after = 16;  ///< the number after which it is asked again.

        [[nodiscard]] bool is_ready() const noexcept { return watch && watch->ready(); }
        void arm() {
            if (watch) watch->arm();
        }
        void forget_clients() noexcept {
            known_waiting = 0;
            if (watch) watch->clear_ready();
        }
    };

    std::optional<Place> accept(TimePoint now) noexcept;
    std::optional<Place> accept_from(std::size_t listener, TimePoint now) noexcept;
    void look_at_queue(std::size_t listener) noexcept;
    void stop_new_clients(std::size_t listener) noexcept;
    void close(std::size_t listener) noexcept;
    std::nullopt_t pause(int error, TimePoint now) noexcept;

    std::string pool_;
    std::chrono::milliseconds pause_;
    Connections& connections_;
    Admission& admission_;
    std::vector<Listener> listeners_;
    SharedArray<SharedWord> stages_{listeners_max};
    SharedArray<SharedWord> lacks_file_{listeners_max};  ///< 1: a master has removed the UNIX socket's file.
    std::vector<State> states_;  ///< By the listener's index; empty if the workers accept.
    std::size_t next_ = 0;       ///< The listener whose turn it is.
    int leaving_ = 0;            ///< Listeners that are to be closed.
    int failures_ = 0;           ///< Failures of accept4 in a row.
    bool full_ = false;
    TimePoint again_{};
    TimePoint warned_{};
    StartRate rate_;
};

}  // namespace bullpen
