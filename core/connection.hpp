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

#include "core/address.hpp"
#include "core/clock.hpp"
#include "core/connection_failure.hpp"
#include "core/unique_fd.hpp"

namespace bullpen {

/// What a handler may know of the server around it: words that it watches for it.
/// Null pointers (a connection outside of a server) mean: there is room, and nobody is stopping.
struct ServerView {
    const std::atomic<std::uint32_t>* spare = nullptr;     ///< Idle workers in the pool.
    const std::atomic<std::uint32_t>* draining = nullptr;  ///< 1 from the order to stop on.
    const std::atomic<std::uint32_t>* leaving = nullptr;   ///< 1 once this worker alone was told to exit.

    /// Stopping: the whole server, or this worker.
    [[nodiscard]] bool is_draining() const noexcept;
};

/// Bytes that a handler keeps with a connection while nobody serves it; all 0 for a new connection.
using ConnectionState = std::array<std::byte, 64>;

/// Owns a connected stream socket. Used by one thread of one worker at a time. Every call blocks; signals
/// don't disturb it. Calls that fail throw ClientGone, TimedOut or std::system_error and leave the
/// connection fit only for closing.
class Connection {
public:
    struct Limits {
        std::chrono::milliseconds read{60'000};  ///< Longest silence of the client within a read.
        // A write that makes no progress for ListenOptions::send_timeout (30 s) throws too: the socket has
        // that limit from its listener.
    };

    /// A TCP socket is expected to have inherited its options from a Listener. One that inherited nothing (a
    /// UNIX socket, one made by hand) wants set_socket_timeouts() first, else its reads can't time out.
    explicit Connection(UniqueFd socket, ServerView server = {}) noexcept;

    Connection(Connection&&) noexcept = default;
    Connection& operator=(Connection&&) noexcept = default;

    /// Gives the socket what a TCP client's inherits from its Listener: SO_RCVTIMEO and SO_SNDTIMEO.
    void set_socket_timeouts() noexcept;

    /// The socket, borrowed, for what this class doesn't offer. Don't close it; don't set O_NONBLOCK.
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }

    /// Reads what is there, at least one byte, at most buffer.size(). 0 is the end: the client has shut down
    /// its side and may still be reading. Waits at most the read limit.
    [[nodiscard]] std::size_t read_some(std::span<std::byte> buffer);

    /// As read_some, but with a deadline in place of the read limit, which a client that sends byte by byte
    /// can't stretch: for what must be there as a whole by then.
    [[nodiscard]] std::size_t read_before(std::span<std::byte> buffer, TimePoint deadline);

    /// As read_some, but for the moment between two requests, when a worker that waits is a worker wasted:
    /// returns nothing once `idle_limit` has passed, the server is draining, or the pool has no spare worker
    /// (looked at every 250 ms). The caller then closes (RFC 9112 9.3.1).
    [[nodiscard]] std::optional<std::size_t> read_next(std::span<std::byte> buffer,
                                                       std::chrono::milliseconds idle_limit);

    /// Fills the whole buffer; false if the client's side ended first.
    [[nodiscard]] bool read_exactly(std::span<std::byte> buffer);

    /// Writes everything (partial writes are continued).
    void write_all(std::span<const std::byte> bytes);
    void write_all(std::string_view text) { write_all(std::as_bytes(std::span{text})); }

    /// Writes `head` and holds it back until more follows, so that both leave in one segment (MSG_MORE).
    void write_before_more(std::string_view head);

    /// Writes the last bytes and ends our side with them: data and FIN leave in one segment (MSG_MORE before
    /// shutdown), which spares both sides the handling of a second one. Reading goes on.
    void write_last(std::string_view bytes);

    /// Sends `count` bytes of an open regular file from `offset` on (sendfile(2); the file's own offset
    /// stays). Throws std::runtime_error if the file has become shorter: the client was promised those bytes.
    void send_file(int file, off_t offset, std::size_t count);

    /// TCP_CORK: while on, only full segments leave; switching off sends the rest. No effect on UNIX sockets.
    void cork(bool on) noexcept;

    /// Ends our side (FIN); reading goes on.
    void shutdown_write() noexcept;

    /// Ends our side and reads on until the client ends its, at most `patience`. For closing while the client
    /// may still be sending: a plain close would reset the connection and destroy the answer on its way.
    void linger(std::chrono::milliseconds patience) noexcept;

    [[nodiscard]] Address peer_address() const noexcept;   ///< "unknown" once the client has reset.
    [[nodiscard]] Address local_address() const noexcept;  ///< Where the client connected to.

    /// Who is at the other end of a UNIX socket (SO_PEERCRED: as of its connect); nothing for TCP.
    [[nodiscard]] std::optional<ucred> peer_credentials() const noexcept;

    [[nodiscard]] Limits& limits() noexcept { return limits_; }
    [[nodiscard]] ConnectionState& state() noexcept { return state_; }

    /// The server has been told to stop: finish what is begun, offer no more.
    [[nodiscard]] bool draining() const noexcept { return server_.is_draining(); }

    /// No worker is idle: somebody may be waiting for this one.
    [[nodiscard]] bool pool_has_no_spare() const noexcept;

    [[nodiscard]] bool client_gone() const noexcept {
        return failure_.client_gone();
    }  ///< A ClientGone was thrown.
    [[nodiscard]] Limit exceeded() const noexcept {
        return failure_.exceeded();
    }  ///< Set when TimedOut was thrown.

    /// Closes now; in an orderly life the destructor does it.
    void close() noexcept { socket_.reset(); }

private:
    void send_all(std::span<const std::byte> bytes, int flags);

    UniqueFd socket_;
    ServerView server_;
    Limits limits_;
    ConnectionState state_{};
    ConnectionFailure failure_;
};

}  // namespace bullpen
