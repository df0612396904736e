/// One client's connection, as the worker sees it that serves it: what is done around the handler's calls.
#pragma once

#include <sys/types.h>

#include <stdexcept>

#include <bullpen/connection.hpp>
#include <bullpen/detail/parking.hpp>
#include <bullpen/detail/server_view.hpp>
#include <bullpen/time_limits.hpp>
#include <bullpen/unique_fd.hpp>

namespace bullpen {

/// Names a file as long as it is open (fstat(2)); default-constructed, none.
struct FileId {
    dev_t device = 0;
    ino_t inode = 0;
    friend bool operator==(const FileId&, const FileId&) = default;
};

/// What a handler's failure is that would have spun for ever; its text says what to write instead.
class SpinningHandler : public std::logic_error {
public:
    SpinningHandler();
};

/// Owns the Connection that the handler is called with.
class ServedConnection {
public:
    explicit ServedConnection(UniqueFd socket, ServerView server = {}) noexcept;

    [[nodiscard]] Connection& connection() noexcept { return connection_; }

    /// What an earlier turn has left, before the handler is called.
    void go_on_from(const Resumption& resumption, UniqueFd file) noexcept;

    /// Whether the connection's file is the one that an earlier turn has left.
    [[nodiscard]] bool has_file_from_before() const noexcept;

    /// After a handler has returned Next::await_input or await_output: whether the connection may be given
    /// back. Where the worker can't, or something that was read would be lost, wait_here() instead.
    [[nodiscard]] bool may_be_given_back() const noexcept;

    /// After a handler has returned Next::await_input: whether it has come any further. A handler that takes
    /// nothing, though what it waits for is there, would be called again at once and for ever. Throws
    /// SpinningHandler when it does so for the sixteenth time in a row, in whichever workers. A handler that
    /// has taken the descriptor isn't judged. No system call where bytes were taken, or peek() found no more
    /// than its caller had seen.
    void check_progress();

    /// How it waits while it is parked.
    [[nodiscard]] Parking& parking() noexcept { return connection_.wait_.parking(); }

    /// Waits here for what `what` says. False: the connection is to be closed. Throws as Connection::peek().
    [[nodiscard]] bool wait_here(Await what);

    /// Before it is given back: sends what Connection::cork() or MSG_MORE keeps in the socket, which nobody
    /// would while the connection is parked, and makes the socket blocking, as the next worker expects it. No
    /// system call where there can be nothing.
    void tidy() noexcept;

    /// The client has sent something, be it its end, or was sent something, in this turn or within the same
    /// request in an earlier one.
    [[nodiscard]] bool exchanged() const noexcept { return connection_.socket_.exchanged(); }

    /// Before each call of the handler, where a worker serves many connections in turns.
    void begin_turn() noexcept { connection_.wait_.turn().begin_turn(); }

    /// The client has kept the server waiting between two turns for longer than this limit.
    void set_exceeded(Limit limit) noexcept { connection_.socket_.failure().set_exceeded(limit); }

    /// The socket, borrowed.
    [[nodiscard]] int fd() const noexcept { return connection_.socket_.fd(); }

    /// To be called before the handler.
    void begin() noexcept { connection_.socket_.handoff().begin(exchanged()); }

    /// The whole server has been told to stop, not this worker alone.
    [[nodiscard]] bool stopping() const noexcept { return connection_.wait_.server().is_stopping(); }

    /// A ClientGone was thrown.
    [[nodiscard]] bool client_gone() const noexcept { return connection_.socket_.failure().client_gone(); }

    /// Set when TimedOut was thrown.
    [[nodiscard]] Limit exceeded() const noexcept { return connection_.socket_.failure().exceeded(); }

    /// Ends the connection, see ClientSocket::close().
    Closed close() noexcept { return connection_.socket_.close(); }

    /// Closes the descriptor only, for a connection that goes on elsewhere.
    void release() noexcept { connection_.socket_.release(); }

private:
    [[nodiscard]] bool is_idle_turn() const noexcept;

    Connection connection_;
    FileId file_before_;
};

}  // namespace bullpen
