/// What a connection may know of the server around it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include <bullpen/detail/handoff_note.hpp>
#include <bullpen/listen_options.hpp>
#include <bullpen/out_of_band.hpp>

namespace bullpen {

struct RequestNote;

/// Words of the scoreboard, watched for the handler. Null pointers (a connection outside of a server) mean:
/// there is room, and the server isn't stopping.
struct ServerView {
    const std::atomic<std::uint32_t>* spare = nullptr;     ///< Idle workers in the pool.
    const std::atomic<std::uint32_t>* draining = nullptr;  ///< 1 from the order to stop on.
    const std::atomic<std::uint32_t>* wanted = nullptr;    ///< 1 while a client waits for a worker.
    static constexpr std::uint32_t alone = 1;              ///< Values of `leaving`.
    static constexpr std::uint32_t orphaned = 2;
    const std::atomic<std::uint32_t>* leaving = nullptr;      ///< Not 0 once this worker was told to exit: it
                                                              ///< alone, or because its keeper has died.
    RequestNote* note = nullptr;                              ///< Where this worker says what it is doing.
    std::chrono::milliseconds slice = ListenOptions{}.slice;  ///< What the client's socket has inherited.

    bool parks = false;  ///< The worker can give a connection back, see bullpen/handler.hpp. Where it can:
    bool parks_files = false;  ///< Also with a file, see Connection::file().
    bool takes_turns = false;  ///< It serves other clients meanwhile: it waits for none, not even a moment,
                               ///< and a turn is bounded by a TurnBudget.
    std::size_t in_hand = 0;   ///< Clients that this worker has received and that wait for their turn here.
    int channel = -1;  ///< The worker's own, borrowed. Readable: the master wants something of this worker.
    std::chrono::milliseconds await_next{4};  ///< How long it waits for the next request; 0: not at all.
    /// CLOCK_MONOTONIC since when it waits for the next request; 0: it doesn't. The master looks at it, and
    /// ends a wait of `await_next` by a message. Where nobody does (null) the wait has a timer.
    std::atomic<std::uint64_t>* awaiting_since_ns = nullptr;

    /// Set if the master handed the connection over and has a copy of its socket.
    HandoffProgress handoff = {};

    bool tells_drain =
        false;  ///< Somebody calls AsyncConnection::notice_drain() then: it needn't look by itself.
    std::chrono::milliseconds stop_patience{0};  ///< At a stop, for a client that has said nothing yet.
    OutOfBand out_of_band = OutOfBand::off;      ///< Options::oob.

    /// Stopping: the whole server, or this worker.
    [[nodiscard]] bool is_draining() const noexcept;

    /// Stopping: the whole server.
    [[nodiscard]] bool is_stopping() const noexcept;

    /// A client waits for a worker. Known only where the master hands clients out.
    [[nodiscard]] bool somebody_waits() const noexcept;

    /// No worker is idle: a client may be waiting for this one.
    [[nodiscard]] bool pool_has_no_spare() const noexcept;
};

}  // namespace bullpen
