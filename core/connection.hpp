/// One client's connection, as a handler sees it: blocking, whole reads and writes, closed when it ends.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/activity.hpp"
#include "core/address.hpp"
#include "core/clock.hpp"
#include "core/connection_failure.hpp"
#include "core/listener.hpp"
#include "core/parking.hpp"
#include "core/request_note.hpp"
#include "core/time_limits.hpp"
#include "core/unique_fd.hpp"

namespace bullpen {

class WriteProgress;

/// What a handler may know of the server around it: words that it watches for it.
/// Null pointers (a connection outside of a server) mean: there is room, and nobody is stopping.
struct ServerView {
    const std::atomic<std::uint32_t>* spare = nullptr;     ///< Idle workers in the pool.
    const std::atomic<std::uint32_t>* draining = nullptr;  ///< 1 from the order to stop on.
    const std::atomic<std::uint32_t>* wanted = nullptr;    ///< 1 while a client waits for a worker.
    static constexpr std::uint32_t alone = 1;              ///< Values of `leaving`.
    static constexpr std::uint32_t orphaned = 2;
    const std::atomic<std::uint32_t>* leaving = nullptr;      ///< Not 0 once this worker was told to exit: it
                                                              ///< alone, or because its master has died.
    RequestNote* note = nullptr;                              ///< Where this worker says what it is doing.
    std::chrono::milliseconds slice = ListenOptions{}.slice;  ///< What the client's socket has inherited.

    bool parks = false;  ///< The worker can give a connection back, see core/handler.hpp. Where it can:
    int channel = -1;    ///< The worker's own, borrowed. Readable: the master wants something of this worker.
    std::chrono::milliseconds await_next{4};  ///< How long it waits for the next request; 0: not at all.
    /// CLOCK_MONOTONIC since when it waits for the next request; 0: it doesn't. The master looks at it, and
    /// ends a wait of `await_next` by a message. Where nobody does (null) the wait has a timer.
    std::atomic<std::uint64_t>* awaiting_since_ns = nullptr;

    bool tells_drain =
        false;  ///< Somebody calls AsyncConnection::notice_drain() then: it needn't look by itself.
    std::chrono::milliseconds stop_patience{0};  ///< At a stop, for a client that has said nothing yet.

    /// Stopping: the whole server, or this worker.
    [[nodiscard]] bool is_draining() const noexcept;

    /// Stopping: the whole server.
    [[nodiscard]] bool is_stopping() const noexcept;
};

/// How long a client that nobody has served yet is still waited for at a stop.
class StopPatience {
public:
    /// Counts from the first time that it is asked with the whole server stopping. A worker that leaves alone
    /// has as much patience as ever.
    [[nodiscard]] bool is_over(const ServerView& server) noexcept;

    /// When it will be over, once it has been asked at a stop.
    [[nodiscard]] std::optional<TimePoint> end() const noexcept { return end_; }

private:
    std::optional<TimePoint> end_;
};

/// Bytes that a handler keeps with a connection while nobody serves it; all 0 for a new connection.
using ConnectionState = std::array<std::byte, 64>;

/// Owns a connected stream socket. Used by one thread of one worker at a time. Every call blocks; signals
/// don't disturb it. Calls that fail throw ClientGone, TimedOut or std::system_error and leave the
/// connection fit only for closing.
class Connection {
public:
    /// A TCP socket is expected to have inherited its options from a Listener. One that inherited nothing (a
    /// UNIX socket, one made by hand) wants set_socket_timeouts() first, else its reads can't time out.
    explicit Connection(UniqueFd socket, ServerView server = {}) noexcept;

    Connection(Connection&&) noexcept = default;
    Connection& operator=(Connection&&) noexcept = default;

    /// Gives the socket what a TCP client's inherits from its Listener: SO_RCVTIMEO and SO_SNDTIMEO.
    void set_socket_timeouts(std::chrono::milliseconds slice = ListenOptions{}.slice) noexcept;

    /// The socket, borrowed, for what this class doesn't offer. Don't close it; don't set O_NONBLOCK.
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }

    /// Reads what is there, at least one byte, at most buffer.size(). 0 is the end: the client has shut down
    /// its side and may still be reading. Waits at most the read limit.
    [[nodiscard]] std::size_t read_some(std::span<std::byte> buffer);

    /// As read_some, but with a deadline in place of the read limit, which a client that sends byte by byte
    /// can't stretch: for what must be there as a whole by then.
    [[nodiscard]] std::size_t read_before(std::span<std::byte> buffer, TimePoint deadline);

    /// Gives back what the handler has read and can't use yet: the next read begins with it, and waits for
    /// what follows; at the client's end it returns what was unread alone, and then 0. As long as there is
    /// any the connection is not parked, because it would be lost; where the handler returns
    /// Next::await_input, the worker waits for more itself. peek() and take() don't go with it: they leave in
    /// the kernel what is not used, and the worker free. Throws std::bad_alloc.
    void unread(std::span<const std::byte> bytes);
    [[nodiscard]] bool has_unread() const noexcept { return !unread_.empty(); }

    /// What peek() saw.
    struct Peeked {
        std::size_t size = 0;  ///< Bytes, from the first that nobody has taken.
        bool ended = false;    ///< The client has ended its side: no more will come.
    };

    /// How long to wait for what: the limit's time from now on, or until a fixed moment.
    struct Patience {
        Limit limit = Limit::idle;
        std::optional<TimePoint> until = {};
    };

    /// Looks at what the client has sent without taking it, as soon as that is more than `beyond` bytes or
    /// the client has ended its side. Nothing: it isn't there; return Next::await_input then, and peek again
    /// when the handler is called again. What is not taken stays in the kernel, and costs no worker while it
    /// is incomplete.
    ///
    /// Where the worker can give connections back, this waits a moment (PoolOptions::await_next): only while
    /// no client waits for a worker and the master wants nothing of this one (a message on the channel ends
    /// the wait), and ever more seldom for a client that didn't speak within the last such moments. Elsewhere
    /// it waits as long as the limit allows (then it throws TimedOut) but, between two requests
    /// (Limit::idle), gives up once the server is draining or the pool has no spare worker; but a client that
    /// has got nothing yet has ServerView::stop_patience at a stop, and else all of its time.
    [[nodiscard]] std::optional<Peeked> peek(std::span<std::byte> buffer, Patience patience,
                                             std::size_t beyond = 0);

    /// Takes `peeked.size()` bytes that peek() has seen; they are read into the same place once more.
    void take(std::span<std::byte> peeked);

    /// Fills the whole buffer within the body limit; false if the client's side ended first.
    [[nodiscard]] bool read_exactly(std::span<std::byte> buffer);

    /// Writes everything (partial writes are continued) within the write limit.
    void write_all(std::span<const std::byte> bytes);
    void write_all(std::string_view text) { write_all(std::as_bytes(std::span{text})); }

    /// Writes `head`, which stays in the socket until more follows, so that both leave in one segment
    /// (MSG_MORE).
    void write_before_more(std::string_view head);

    /// Writes the last bytes and ends our side with them: data and FIN leave in one segment (MSG_MORE before
    /// shutdown), which spares both sides the handling of a second one. Reading goes on.
    void write_last(std::string_view bytes);

    /// Sends `count` bytes of an open regular file from `offset` on (sendfile(2); the file's own offset
    /// stays). Throws std::runtime_error if the file has become shorter: the client was promised those bytes.
    void send_file(int file, off_t offset, std::size_t count);

    /// As write_all or (`more`) write_before_more, but where the worker can give the connection back, only as
    /// much as the client takes without keeping it waiting: says how much. If that is not all, return
    /// Next::await_output and go on when the handler is called again.
    [[nodiscard]] std::size_t write_some(std::string_view bytes, bool more = false);

    /// The same of send_file().
    [[nodiscard]] std::size_t send_file_some(int file, off_t offset, std::size_t count);

    /// Whether the socket has room for at least a third of what it holds (poll(2), without waiting).
    [[nodiscard]] bool is_writable() const noexcept;

    /// Until when Next::await_input or Next::await_output holds, and what is counted when it is over. peek()
    /// has set it already.
    void wait_at_most(Patience patience, std::size_t input_at_least = 1) noexcept;

    /// Where the worker can't give the connection back: waits here for what `what` says. False: it is to be
    /// closed. Throws as peek() does.
    [[nodiscard]] bool wait_here(Await what);

    /// Lets the server know what is being worked on, for the log of slow requests: one line of the client's.
    void begin_request(std::string_view line) noexcept;

    /// TCP_CORK: while on, only full segments leave; switching off sends the rest. No effect on UNIX sockets.
    void cork(bool on) noexcept;

    /// Ends our side (FIN); reading goes on.
    void shutdown_write() noexcept;

    /// For the worker that gives the connection back: sends what cork() or MSG_MORE keeps in the socket,
    /// which nobody would while the connection is parked. No system call where there can be nothing.
    void uncork() noexcept;

    /// Ends our side and reads on until the client ends its, at most `patience`. For closing while the client
    /// may still be sending: a plain close would reset the connection and destroy the answer on its way.
    void linger(std::chrono::milliseconds patience) noexcept;

    /// One step of linger(), for a connection that is parked meanwhile (with Limit::none): throws away what
    /// is there. False: the client has ended its side, or sends without end.
    [[nodiscard]] bool discard_input() noexcept;

    [[nodiscard]] Address peer_address() const noexcept;   ///< "unknown" once the client has reset.
    [[nodiscard]] Address local_address() const noexcept;  ///< Where the client connected to.

    /// Who is at the other end of a UNIX socket (SO_PEERCRED: as of its connect); nothing for TCP.
    [[nodiscard]] std::optional<ucred> peer_credentials() const noexcept;

    [[nodiscard]] TimeLimits& limits() noexcept { return limits_; }
    [[nodiscard]] ConnectionState& state() noexcept { return state_; }

    /// A second descriptor that stays with the connection while it is parked: what is being sent.
    [[nodiscard]] UniqueFd& file() noexcept { return file_; }

    /// How it waits when the handler returns Next::await_input or await_output; for the worker.
    [[nodiscard]] Parking& parking() noexcept { return parking_; }

    /// The worker can give the connection back: waiting here would be a waste.
    [[nodiscard]] bool can_be_parked() const noexcept { return server_.parks; }

    /// The server has been told to stop: finish what is begun, offer no more.
    [[nodiscard]] bool draining() const noexcept { return server_.is_draining(); }

    /// Something was read from the client, be it its end, or written to it.
    [[nodiscard]] bool touched() const noexcept { return touched_; }
    void set_touched() noexcept { touched_ = true; }  ///< For the worker: in an earlier turn.

    /// The whole server has been told to stop, not this worker alone.
    [[nodiscard]] bool stopping() const noexcept { return server_.is_stopping(); }

    /// No worker is idle: somebody may be waiting for this one.
    [[nodiscard]] bool pool_has_no_spare() const noexcept;

    /// Somebody waits for a worker. Known where the master hands out.
    [[nodiscard]] bool somebody_waits() const noexcept;

    [[nodiscard]] bool client_gone() const noexcept {
        return failure_.client_gone();
    }  ///< A ClientGone was thrown.
    [[nodiscard]] Limit exceeded() const noexcept {
        return failure_.exceeded();
    }  ///< Set when TimedOut was thrown.

    /// Closes now; in an orderly life the destructor does it.
    void close() noexcept { socket_.reset(); }

private:
    enum class Came { client, message, nothing };

    [[nodiscard]] std::optional<std::size_t> receive(std::span<std::byte> buffer, int flags);
    [[nodiscard]] std::optional<std::size_t> receive_until(std::span<std::byte> buffer, TimePoint deadline);
    [[nodiscard]] int flags_of_first(TimePoint now, TimePoint deadline) const noexcept;
    template <typename Read>
    [[nodiscard]] std::size_t read_behind_unread(std::span<std::byte> buffer, Read read);
    [[nodiscard]] std::size_t take_unread(std::span<std::byte> buffer) noexcept;

    [[nodiscard]] std::optional<Peeked> peek_a_moment(std::span<std::byte> buffer, std::size_t beyond);
    [[nodiscard]] std::optional<Peeked> peek_within_limit(std::span<std::byte> buffer, std::size_t beyond);
    [[nodiscard]] std::optional<Peeked> look(std::span<std::byte> buffer, std::size_t beyond, int flags);
    [[nodiscard]] bool may_await_next() noexcept;
    void note_vain_wait(TimePoint begun) noexcept;
    void set_deadline(TimePoint deadline) noexcept;
    [[nodiscard]] Came wait_a_moment(short events, TimePoint begun,
                                     std::optional<std::chrono::nanoseconds> at_most) noexcept;

    void want_input(std::size_t at_least) noexcept;
    [[nodiscard]] bool client_has_ended() const noexcept;
    bool wait_for(short events, std::chrono::nanoseconds at_most) const noexcept;
    void wait_for_byte(std::size_t offset, std::chrono::nanoseconds at_most) noexcept;
    [[nodiscard]] std::chrono::nanoseconds next_look(std::chrono::nanoseconds left) noexcept;
    [[nodiscard]] bool is_let_go() noexcept;
    void end_if_silent_at_stop();
    [[nodiscard]] bool others_need_worker(Limit limit) noexcept;
    [[nodiscard]] TimePoint deadline_from(TimePoint begin, Limit limit) const noexcept;

    std::size_t send_bytes(std::span<const std::byte> bytes, int flags, bool in_part);
    std::size_t send_file_part(int file, off_t offset, std::size_t count, bool in_part);
    template <typename Outgoing>
    std::size_t send(Outgoing rest, bool in_part);
    void until_writable(WriteProgress& progress, std::size_t written);
    [[nodiscard]] bool room_comes_soon() noexcept;

    UniqueFd socket_;
    UniqueFd file_;
    ServerView server_;
    TimeLimits limits_;
    Parking parking_;
    std::vector<std::byte> unread_;
    std::size_t expected_ = SIZE_MAX;         ///< Bytes that a look will most likely find; at first any.
    std::chrono::milliseconds next_look_{0};  ///< The last span of waiting.
    bool touched_ = false;
    StopPatience stop_patience_;
    bool has_ended_ = false;     ///< The client, behind what is unread.
    bool gave_up_ = false;       ///< Waiting, where others need the worker more.
    bool is_corked_ = false;     ///< By cork().
    bool more_follows_ = false;  ///< The last that was written was to wait for more (MSG_MORE).
    ConnectionState state_{};
    ConnectionFailure failure_;
};

}  // namespace bullpen
