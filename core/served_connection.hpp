/// One client's connection, as the worker sees it that serves it: what is done around the handler's calls.
#pragma once

#include "core/connection.hpp"
#include "core/parking.hpp"
#include "core/server_view.hpp"
#include "core/time_limits.hpp"
#include "core/unique_fd.hpp"

namespace bullpen {

/// Owns the Connection that the handler is called with.
class ServedConnection {
public:
    explicit ServedConnection(UniqueFd socket, ServerView server = {}) noexcept;

    [[nodiscard]] Connection& connection() noexcept { return connection_; }

    /// What an earlier turn has left, before the handler is called.
    void go_on_from(const ConnectionState& state, UniqueFd file, const Parking& parking) noexcept;

    /// After a handler has returned Next::await_input or await_output: whether the connection may be given
    /// back. Where the worker can't, or something that was read would be lost, wait_here() instead.
    [[nodiscard]] bool may_be_given_back() const noexcept;

    /// How it waits while it is parked.
    [[nodiscard]] Parking& parking() noexcept { return connection_.wait_.parking(); }

    /// Waits here for what `what` says. False: the connection is to be closed. Throws as Connection::peek().
    [[nodiscard]] bool wait_here(Await what);

    /// Before it is given back: sends what Connection::cork() or MSG_MORE keeps in the socket, which nobody
    /// would while the connection is parked. No system call where there can be nothing.
    void uncork() noexcept;

    /// Something was read from the client, be it its end, or written to it, in this turn or an earlier one.
    [[nodiscard]] bool touched() const noexcept { return connection_.socket_.touched(); }

    /// The whole server has been told to stop, not this worker alone.
    [[nodiscard]] bool stopping() const noexcept { return connection_.wait_.server().is_stopping(); }

    /// A ClientGone was thrown.
    [[nodiscard]] bool client_gone() const noexcept { return connection_.socket_.failure().client_gone(); }

    /// Set when TimedOut was thrown.
    [[nodiscard]] Limit exceeded() const noexcept { return connection_.socket_.failure().exceeded(); }

    /// Closes now; in an orderly life the destructor does it.
    void close() noexcept { connection_.socket_.close(); }

private:
    Connection connection_;
};

}  // namespace bullpen
