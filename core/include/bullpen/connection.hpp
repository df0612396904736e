/// One client's connection, as a handler sees it: blocking, whole reads and writes, closed when it ends.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <bullpen/address.hpp>
#include <bullpen/clock.hpp>
#include <bullpen/connection_error.hpp>
#include <bullpen/connection_state.hpp>
#include <bullpen/detail/buffer_mistake.hpp>
#include <bullpen/detail/client_socket.hpp>
#include <bullpen/detail/client_wait.hpp>
#include <bullpen/detail/handoff_note.hpp>
#include <bullpen/detail/server_view.hpp>
#include <bullpen/export.hpp>
#include <bullpen/listen_options.hpp>
#include <bullpen/peek.hpp>
#include <bullpen/received_message.hpp>
#include <bullpen/time_limits.hpp>
#include <bullpen/unique_fd.hpp>

namespace bullpen {

/// Owns a connected stream socket. Used by one thread of one worker at a time. Every call blocks; signals
/// don't disturb it. Calls that fail throw ClientGone, TimedOut or std::system_error and leave the
/// connection fit only for closing.
class BULLPEN_API Connection {
public:
    /// A TCP socket is expected to have inherited its options from a Listener. One that inherited nothing (a
    /// UNIX socket, one made by hand) wants set_socket_timeouts() first, else its reads can't time out.
    explicit Connection(UniqueFd socket, ServerView server = {}) noexcept;

    Connection(Connection&&) noexcept = default;
    Connection& operator=(Connection&&) noexcept = default;

    /// Gives the socket what a TCP client's inherits from its Listener: SO_RCVTIMEO and SO_SNDTIMEO.
    void set_socket_timeouts(std::chrono::milliseconds slice = ListenOptions{}.slice) noexcept;

    using Peeked = bullpen::Peeked;      ///< What peek() saw.
    using Patience = bullpen::Patience;  ///< How long to wait for what.

    /// The socket, borrowed, for what this class doesn't offer. Don't close it; don't set O_NONBLOCK: see
    /// nonblocking_fd(). The server takes it that bytes are read or written with it: see peek(). No limit
    /// holds for calls on it: a blocking one fails with EAGAIN after SO_RCVTIMEO or SO_SNDTIMEO.
    [[nodiscard]] int fd() noexcept { return socket_.lend(); }

    /// The socket, borrowed as by fd(), with O_NONBLOCK set, for code that wants the descriptor (OpenSSL,
    /// libpq). Where such code can't go on, wait_readable() and wait_writable() wait under the limits:
    ///
    ///     SSL_set_fd(tls, client.nonblocking_fd());
    ///     for (int done = SSL_accept(tls); done != 1; done = SSL_accept(tls))
    ///         switch (SSL_get_error(tls, done)) {
    ///             case SSL_ERROR_WANT_READ: client.wait_readable(); break;
    ///             case SSL_ERROR_WANT_WRITE: client.wait_writable(); break;
    ///             default: return;
    ///         }
    ///
    /// The flag holds until the handler has returned and the connection is given back; every call of this
    /// class works as before. What such code keeps in memory (keys, what it has read ahead) isn't there if
    /// another worker goes on: its handler serves the client to its end and doesn't return
    /// Next::await_input.
    [[nodiscard]] int nonblocking_fd() noexcept;

    /// Waits until the socket has input, or the client has ended its side: at most limits()'s `limit` from
    /// now on, or until `patience.until`, which a client that sends byte by byte can't stretch. Throws
    /// TimedOut, counted as that limit. Takes nothing; what unread() was given doesn't count.
    ///
    /// Limit::idle is for the moment between two requests: false says that the server stops, or has no spare
    /// worker for others, and that the connection is to be closed. Unlike peek() it is no request boundary.
    /// With any other limit the result is true. A client that has sent nothing yet has
    /// ServerView::stop_patience at a stop, whatever the limit.
    bool wait_readable(Patience patience);
    bool wait_readable(Limit limit = Limit::read) { return wait_readable(Patience{limit}); }

    /// The same until the socket has room for output. Each call has the whole of the limit, whatever
    /// limits().write_rate.
    void wait_writable(Patience patience);
    void wait_writable(Limit limit = Limit::write) { wait_writable(Patience{limit}); }

    /// Leaves the connection to a child process that has the socket: when the handler returns, the worker
    /// closes its descriptor and doesn't end the connection.
    void detach() noexcept { socket_.detach(); }

    /// Reads what is there, at least one byte, at most buffer.size(). 0 is the end: the client has shut down
    /// its side and may still be reading. Waits at most the read limit.
    [[nodiscard]] std::size_t read_some(std::span<std::byte> buffer);

    /// As read_some, but with a deadline in place of the read limit, which a client that sends byte by byte
    /// can't stretch: for what must be there as a whole by then. `counted_as` is the limit that is said to
    /// have run out.
    [[nodiscard]] std::size_t read_before(std::span<std::byte> buffer, TimePoint deadline,
                                          Limit counted_as = Limit::read);

    /// Gives back what the handler has read and can't use yet: the next read begins with it, and waits for
    /// what follows; at the client's end it returns what was unread alone, and then 0. As long as there is
    /// any the connection is not parked, because it would be lost; where the handler returns
    /// Next::await_input, the worker waits for more itself. peek() and take() don't go with it: they leave in
    /// the kernel what is not used, and the worker free. Throws std::bad_alloc.
    void unread(std::span<const std::byte> bytes);
    [[nodiscard]] bool has_unread() const noexcept { return !unread_.empty(); }

    /// Looks at what the client has sent without taking it, as soon as that is more than `beyond` bytes or
    /// the client has ended its side. Nothing: it isn't there; return Next::await_input then, and peek again
    /// when the handler is called again. What is not taken stays in the kernel, and costs no worker while it
    /// is incomplete. Throws TimedOut once the patience is over.
    ///
    ///     the worker can           waits at most for           and returns nothing sooner when
    ///     ----------------------   -------------------------   -------------------------------------------
    ///     give the connection      Options::await_next,        a client waits for a worker, the master
    ///     back (can_be_parked)     but see below               sends this worker a message, or it leaves
    ///     only wait itself         the patience                between two requests (Limit::idle): the
    ///                                                          server is stopping or has no spare worker
    ///
    /// After n such waits in a row in which a client sent nothing (n counts up to 5), the worker doesn't wait
    /// in the next 2^n - 1 calls for that client. A client that has got nothing yet is never given up for
    /// want of spare workers; at a stop it has ServerView::stop_patience.
    ///
    /// With Limit::idle and nothing unread it is also a request boundary: whatever was taken before has been
    /// answered. If the worker dies while it waits here, the connection goes to another one, which goes on
    /// from state() as it is at this call; so set state() first. A worker that dies later, but before a byte
    /// is taken or written, can be spared the client, too: see Options::retry_crashed.
    [[nodiscard]] std::optional<Peeked> peek(std::span<std::byte> buffer, Patience patience,
                                             std::size_t beyond = 0);

    /// Takes `peeked.size()` bytes that peek() has seen, and that lie where it has put them.
    void take(std::span<std::byte> peeked);

    /// Fills the whole buffer within the body limit; false if the client's side ended first.
    [[nodiscard]] bool read_exactly(std::span<std::byte> buffer);

    /// Reads the next message of a seqpacket socket, which may be empty, and says who sent it. Nothing: the
    /// client has ended its side. Waits at most the read limit. Unlike peer_credentials(), which is as of the
    /// connect, this tells apart the processes that share the client's socket, or a process that has changed
    /// its user. The kernel vouches for the sender, but a sender with CAP_SETUID, CAP_SETGID or CAP_SYS_ADMIN
    /// may name any user, group or process (unix(7)). Where messages wait for each other, look with peek()
    /// and return Next::await_input if it sees nothing: the worker is free meanwhile.
    ///
    /// Of a UNIX stream it is what one process has written, as far as it is there; of a TCP socket what
    /// read_some() reads, without a sender. Throws std::logic_error if has_unread(): those bytes are no
    /// message.
    [[nodiscard]] std::optional<ReceivedMessage> read_message(std::span<std::byte> buffer);

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

    /// Lets the server know what is being worked on, for the log of slow requests: one line of the client's.
    void begin_request(std::string_view line) noexcept;

    /// TCP_CORK: while on, only full segments leave; switching off sends the rest. No effect on UNIX sockets.
    void cork(bool on) noexcept;

    // A buffer that isn't one doesn't compile, and the compiler says what to write instead.
    template <typename Buffer>
    requires(!detail::WritableBytes<Buffer>) void read_some(Buffer&&) {
        detail::explain_input_mistake<Buffer>();
    }
    template <typename Buffer>
    requires(!detail::WritableBytes<Buffer>) void read_exactly(Buffer&&) {
        detail::explain_input_mistake<Buffer>();
    }
    template <typename Given>
    requires(!detail::ReadableBytes<Given>) void write_all(Given&&) {
        detail::explain_output_mistake<Given>();
    }

    /// Ends our side (FIN); reading goes on.
    void shutdown_write() noexcept;

    /// Ends our side, and throws away what the client sends until it ends its, however much that is: until
    /// limits().linger has passed in silence, or limits().linger_total in all. For closing while the client
    /// may still be sending: a plain close would reset the connection and destroy the answer on its way.
    void linger() noexcept;

    /// One turn of linger() for a worker that can give the connection back, after shutdown_write(): throws
    /// away what is there, up to 1 MiB. True: return Next::await_input, and call this again when the handler
    /// is called again. False: the client has ended its side, or has lingered since `begun` for too long.
    [[nodiscard]] bool linger_a_turn(TimePoint begun) noexcept;

    [[nodiscard]] Address peer_address() const noexcept;   ///< "unknown" once the client has reset.
    [[nodiscard]] Address local_address() const noexcept;  ///< Where the client connected to.

    /// The process at the other end of a UNIX socket (SO_PEERCRED: as of its connect); nothing for TCP.
    [[nodiscard]] std::optional<ucred> peer_credentials() const noexcept;

    [[nodiscard]] TimeLimits& limits() noexcept { return wait_.limits(); }
    [[nodiscard]] ConnectionState& state() noexcept { return state_; }

    /// A second descriptor, of a regular file, that stays with the connection while it is parked: what is
    /// being sent. Only where Options::parks_files is set; elsewhere the worker waits itself.
    [[nodiscard]] UniqueFd& file() noexcept { return file_; }

    /// The worker can give the connection back: waiting here would be a waste.
    [[nodiscard]] bool can_be_parked() const noexcept { return wait_.server().parks; }

    /// The server has been told to stop: finish what is begun, offer no more.
    [[nodiscard]] bool draining() const noexcept;

    /// No worker is idle: a client may be waiting for this one.
    [[nodiscard]] bool pool_has_no_spare() const noexcept;

    /// A client waits for a worker. Known only where the master hands clients out.
    [[nodiscard]] bool somebody_waits() const noexcept;

private:
    friend class ServedConnection;

    template <typename Read>
    [[nodiscard]] BULLPEN_HIDDEN std::size_t read_behind_unread(std::span<std::byte> buffer, Read read);
    [[nodiscard]] BULLPEN_HIDDEN std::size_t take_unread(std::span<std::byte> buffer) noexcept;

    [[nodiscard]] BULLPEN_HIDDEN std::size_t room_in_turn(std::size_t bytes) noexcept;
    BULLPEN_HIDDEN std::size_t send_bytes(std::span<const std::byte> bytes, int flags, bool in_part);
    BULLPEN_HIDDEN std::size_t send_file_part(int file, off_t offset, std::size_t count, bool in_part);
    template <typename Outgoing>
    BULLPEN_HIDDEN std::size_t send(Outgoing rest, bool in_part);

    ClientSocket socket_;
    ClientWait wait_;
    UniqueFd file_;
    ConnectionState state_{};
    std::vector<std::byte> unread_;
    bool has_ended_ = false;       ///< The client, behind what is unread.
    bool learns_senders_ = false;  ///< SO_PASSCRED is set.
    bool has_begun_request_ = false;
    bool is_corked_ = false;     ///< By cork().
    bool more_follows_ = false;  ///< So the last write said (MSG_MORE), and the kernel keeps its last bytes.
};

}  // namespace bullpen
