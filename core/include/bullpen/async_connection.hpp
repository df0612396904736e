/// One client's connection, as an asynchronous handler sees it: as bullpen/connection.hpp, but where a call
/// there blocks, here the coroutine waits and the thread serves other clients.
///
///     boost::asio::awaitable<void> greet(bullpen::AsyncConnection& client) {
///         std::array<std::byte, 4096> buffer;
///         while (const std::size_t size = co_await client.read_some(buffer))
///             co_await client.write_all(std::span{buffer}.first(size));
///     }
#pragma once

#include <sys/socket.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <bullpen/address.hpp>
#include <bullpen/async_handler.hpp>
#include <bullpen/clock.hpp>
#include <bullpen/connection.hpp>
#include <bullpen/detail/buffer_mistake.hpp>
#include <bullpen/detail/client_socket.hpp>
#include <bullpen/detail/connection_failure.hpp>
#include <bullpen/detail/server_view.hpp>
#include <bullpen/detail/stop_patience.hpp>
#include <bullpen/export.hpp>
#include <bullpen/peek.hpp>
#include <bullpen/time_limits.hpp>
#include <bullpen/unique_fd.hpp>

namespace bullpen {

struct TransferStep;
class WriteProgress;

/// Owns a connected stream socket, TCP or UNIX. Used in the one thread that runs its executor; stays where it
/// was made. One coroutine may read while another one writes, but two that read, or two that await a write,
/// throw std::logic_error. A coroutine that uses the connection must have ended when the handler ends; what
/// goes on for longer, as a chat's other clients do, sends by a sender(). Calls that fail throw ClientGone,
/// TimedOut or std::system_error and leave the connection fit only for closing.
///
/// Every call tries at once and waits only where the kernel has nothing for it: a client whose request is
/// there and whose answer fits into the socket's buffer costs the event loop nothing at all. After many calls
/// in a row that didn't have to wait, one gives way to the other coroutines.
///
/// What a call is given (buffers, texts) must live until it is co_awaited to its end. Reading a file may wait
/// for the disk, and the whole thread with it.
class BULLPEN_API AsyncConnection {
public:
    template <typename Result>
    using Awaitable = boost::asio::awaitable<Result>;

    static constexpr int calls_in_a_row_max = 64;  ///< Without waiting; then the coroutine gives way.

    /// The socket may be blocking or not; it becomes non-blocking once something has to be waited for.
    AsyncConnection(boost::asio::any_io_executor executor, UniqueFd socket, ServerView server = {}) noexcept;

    ~AsyncConnection();
    AsyncConnection(const AsyncConnection&) = delete;
    AsyncConnection& operator=(const AsyncConnection&) = delete;

    /// The socket, borrowed, for what this class doesn't offer; -1 once it is closed. Don't close it. The
    /// server takes it that bytes are read or written with it: see read_next(). No limit holds for calls on
    /// it.
    [[nodiscard]] int fd() noexcept;

    /// See Connection::nonblocking_fd(). Throws boost::system::system_error if the event loop has no room.
    [[nodiscard]] int nonblocking_fd();

    /// See Connection::wait_readable(). With Limit::idle false says that the server stops.
    Awaitable<bool> wait_readable(Patience patience);
    Awaitable<bool> wait_readable(Limit limit = Limit::read) { return wait_readable(Patience{limit}); }

    /// See Connection::wait_writable().
    [[nodiscard]] Awaitable<void> wait_writable(Patience patience);
    [[nodiscard]] Awaitable<void> wait_writable(Limit limit = Limit::write) {
        return wait_writable(Patience{limit});
    }

    /// See Connection::detach().
    void detach() noexcept {
        handoff_.touch();
        detached_ = true;
    }

    /// Reads what is there, at least one byte, at most buffer.size(). 0 is the end: the client has shut down
    /// its side and may still be reading. Waits at most the read limit.
    [[nodiscard]] Awaitable<std::size_t> read_some(std::span<std::byte> buffer);

    /// As read_some, but with a deadline in place of the read limit, which a client that sends byte by byte
    /// can't stretch: for what must be there as a whole by then. `limit` is what runs out.
    [[nodiscard]] Awaitable<std::size_t> read_before(std::span<std::byte> buffer, TimePoint deadline,
                                                     Limit limit = Limit::read);

    /// As read_some, but for the moment before a request: returns nothing once the server has been draining
    /// for `stop_patience` (looked at every second, and when notice_drain() is called); the caller then
    /// closes. A client that nobody has served yet has ServerView::stop_patience, if that is set, and only
    /// where the whole server stops. Throws TimedOut once `idle_limit` has passed. Unlike Connection::peek it
    /// waits on when the pool has no spare worker: it holds none. It is a request boundary: if the worker
    /// dies while it waits here, the connection goes to another one, which goes on from state() as it is now.
    [[nodiscard]] Awaitable<std::optional<std::size_t>> read_next(
        std::span<std::byte> buffer, std::chrono::milliseconds idle_limit,
        std::chrono::milliseconds stop_patience = {});

    /// Fills the whole buffer within the body limit; false if the client's side ended first.
    [[nodiscard]] Awaitable<bool> read_exactly(std::span<std::byte> buffer);

    /// Writes everything (partial writes are continued) within the write limit.
    [[nodiscard]] Awaitable<void> write_all(std::span<const std::byte> bytes);
    [[nodiscard]] Awaitable<void> write_all(std::string_view text);

    /// A text that nobody else has lives in the coroutine.
    template <std::same_as<std::string> Text>
    [[nodiscard]] Awaitable<void> write_all(Text&& text) {
        return write_kept(std::forward<Text>(text));
    }

    /// Writes `head`, which stays in the socket until more follows, so that both leave in one segment
    /// (MSG_MORE).
    [[nodiscard]] Awaitable<void> write_before_more(std::string_view head);

    /// Writes the last bytes and ends our side with them, in one segment: see Connection::write_last.
    [[nodiscard]] Awaitable<void> write_last(std::string_view bytes);

    /// Sends `count` bytes of an open regular file from `offset` on (sendfile(2); the file's own offset
    /// stays). Throws std::runtime_error if the file has become shorter: the client was promised those bytes.
    [[nodiscard]] Awaitable<void> send_file(int file, off_t offset, std::size_t count);

    /// Sends the bytes without waiting for the client: what it doesn't take now is queued behind what was
    /// queued or is being written before, and leaves while the coroutines do something else. False, and
    /// nothing was queued: more than send_queue_max() bytes would wait then, or the connection has ended. So
    /// what a slow client costs is bounded; the caller drops the message, or closes.
    ///
    /// A client that takes what is queued more slowly than the write limit allows is closed, and counted:
    /// its handler's call that waits, or the next one, throws TimedOut (or ClientGone, if it has left).
    /// What is still queued when the handler ends is dropped: co_await flush() before. Throws
    /// std::bad_alloc.
    bool send(std::string bytes);

    /// The same of bytes that many connections send, of which there is one copy.
    bool send(std::shared_ptr<const std::string> bytes);

    /// Waits until all that was queued has left for the kernel. Throws as write_all().
    [[nodiscard]] Awaitable<void> flush();

    /// Bytes that may wait in the queue, 256 KiB unless it is set.
    [[nodiscard]] std::size_t& send_queue_max() noexcept { return send_queue_max_; }

    /// Sends to a connection that may end at any time, for coroutines of other clients in the same thread.
    /// Holds nothing of it: once its handler has ended, send() is false.
    class Sender;
    [[nodiscard]] Sender sender();

    /// Lets time pass for this connection alone.
    [[nodiscard]] Awaitable<void> sleep_for(std::chrono::nanoseconds span);

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

    /// See Connection::linger(). Throws nothing.
    [[nodiscard]] Awaitable<void> linger();

    [[nodiscard]] Address peer_address() const noexcept;   ///< "unknown" once the client has reset.
    [[nodiscard]] Address local_address() const noexcept;  ///< Where the client connected to.

    /// See Connection::peer_credentials().
    [[nodiscard]] std::optional<ucred> peer_credentials() const noexcept;

    [[nodiscard]] TimeLimits& limits() noexcept { return limits_; }
    [[nodiscard]] ConnectionState& state() noexcept { return state_; }

    /// The server has been told to stop: finish what is begun, offer no more.
    [[nodiscard]] bool draining() const noexcept;

    /// A call waits for the client to take more.
    [[nodiscard]] bool is_sending() const noexcept { return is_sending_; }

    /// The client has sent something, be it its end, or was sent something.
    [[nodiscard]] bool exchanged() const noexcept { return exchanged_; }

    /// For the worker, before it calls the handler.
    void begin() noexcept { handoff_.begin(exchanged_); }

    /// The whole server has been told to stop, not this worker alone.
    [[nodiscard]] bool stopping() const noexcept;

    /// For the worker, when it learns that it is to stop: a read_next() that is waiting ends now, and from
    /// now on a client that nobody has served yet has ServerView::stop_patience.
    BULLPEN_HIDDEN void notice_drain() noexcept;

    [[nodiscard]] bool client_gone() const noexcept {
        return failure_.client_gone();
    }  ///< ClientGone was thrown.
    [[nodiscard]] Limit exceeded() const noexcept {
        return failure_.exceeded();
    }  ///< Set when TimedOut was thrown.

    /// Closes now; in an orderly life the destructor does it. A call that is waiting throws
    /// std::system_error (ECANCELED). If the master has a copy of the socket, ends the connection first.
    Closed close() noexcept;

private:
    class BULLPEN_HIDDEN Waiter;
    class BULLPEN_HIDDEN SendQueue;
    class BULLPEN_HIDDEN Writing;

    [[nodiscard]] Awaitable<void> write_kept(std::string text);
    BULLPEN_HIDDEN SendQueue& send_queue();
    BULLPEN_HIDDEN void start_draining() noexcept;
    BULLPEN_HIDDEN static Awaitable<void> drain(std::shared_ptr<SendQueue> queue);
    [[nodiscard]] BULLPEN_HIDDEN bool send_queued() noexcept;
    [[nodiscard]] BULLPEN_HIDDEN TimePoint room_until(WriteProgress& progress, std::size_t written);
    BULLPEN_HIDDEN void fail_sending() noexcept;
    BULLPEN_HIDDEN void throw_send_failure() const;

    BULLPEN_HIDDEN const std::shared_ptr<Waiter>& waiter();
    [[nodiscard]] BULLPEN_HIDDEN std::optional<std::size_t> try_receive(std::span<std::byte> buffer);
    [[nodiscard]] BULLPEN_HIDDEN int socket() const noexcept;
    [[nodiscard]] BULLPEN_HIDDEN TransferStep receive(std::span<std::byte> buffer) noexcept;
    [[nodiscard]] BULLPEN_HIDDEN Awaitable<ssize_t> receive_when_ready(std::span<std::byte> buffer,
                                                                       TimePoint deadline);
    [[nodiscard]] BULLPEN_HIDDEN std::size_t judge(ssize_t received);
    [[nodiscard]] BULLPEN_HIDDEN Awaitable<ssize_t> receive_until(std::span<std::byte> buffer,
                                                                  TimePoint deadline);
    template <typename Outgoing>
    [[nodiscard]] BULLPEN_HIDDEN Awaitable<void> write(Outgoing rest);
    [[nodiscard]] BULLPEN_HIDDEN Awaitable<ssize_t> receive_first_until(std::span<std::byte> buffer,
                                                                        TimePoint deadline);
    [[nodiscard]] BULLPEN_HIDDEN Awaitable<bool> is_ready_by(bool for_input, TimePoint until);
    [[nodiscard]] BULLPEN_HIDDEN bool is_let_go(Limit limit);
    [[nodiscard]] BULLPEN_HIDDEN std::chrono::milliseconds patience_at_stop(
        std::chrono::milliseconds after_an_answer) const noexcept;
    [[nodiscard]] BULLPEN_HIDDEN Awaitable<void> until_writable(WriteProgress& progress, std::size_t written);
    [[nodiscard]] BULLPEN_HIDDEN bool has_had_its_turn() noexcept;
    [[nodiscard]] BULLPEN_HIDDEN Awaitable<void> give_way();

    boost::asio::any_io_executor executor_;
    UniqueFd socket_;                 ///< Until there is a waiter, which then owns it.
    std::shared_ptr<Waiter> waiter_;  ///< Made when first something has to be waited for.
    ServerView server_;
    HandoffProgress handoff_;
    TimeLimits limits_;
    ConnectionState state_{};
    ConnectionFailure failure_;
    std::shared_ptr<SendQueue> send_queue_;  ///< Made by the first send() or sender().
    std::size_t send_queue_max_ = std::size_t{256} * 1024;
    std::exception_ptr send_failure_;  ///< What a call of the handler throws because of the queue.
    int calls_in_a_row_ = 0;
    bool is_between_requests_ = false;
    bool is_sending_ = false;
    bool is_writing_ = false;  ///< A call that writes has begun and not ended.
    bool exchanged_ = false;
    bool output_ended_ = false;
    bool lent_ = false;
    bool detached_ = false;
    StopPatience stop_patience_;
};

/// Copied freely; used in the connection's thread alone.
class BULLPEN_API AsyncConnection::Sender {
public:
    Sender() = default;  ///< To no connection.

    /// See AsyncConnection::send(). False also if the connection has ended.
    bool send(std::string bytes) const;
    bool send(std::shared_ptr<const std::string> bytes) const;

    /// The connection hasn't ended, and takes what is sent.
    [[nodiscard]] bool is_open() const noexcept;

private:
    friend class AsyncConnection;
    BULLPEN_HIDDEN explicit Sender(std::weak_ptr<SendQueue> queue) noexcept;
    [[nodiscard]] BULLPEN_HIDDEN AsyncConnection* connection() const noexcept;

    std::weak_ptr<SendQueue> queue_;
};

}  // namespace bullpen
