/// What waits to be sent to a client of an event loop while nobody awaits it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <bullpen/async_connection.hpp>
#include "core/outgoing.hpp"

namespace bullpen {

/// Shared by a connection, the handles to it and the coroutine that sends; outlives the connection.
/// `connection` is null once that is closed.
class AsyncConnection::SendQueue {
public:
    using Piece = std::shared_ptr<const std::string>;

    SendQueue(AsyncConnection& of, const boost::asio::any_io_executor& executor)
        : connection{&of}, emptied{executor, boost::asio::steady_timer::time_point::max()} {}

    [[nodiscard]] bool empty() const noexcept { return pieces_.empty(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

    void push(Piece piece) {
        bytes_ += piece->size();
        pieces_.push_back(std::move(piece));
    }

    /// The unsent part of the first piece.
    [[nodiscard]] OutgoingBytes first() const noexcept {
        return {std::as_bytes(std::span{*pieces_.front()}).subspan(sent_of_first_), 0};
    }

    void note_sent(std::size_t bytes) noexcept {
        bytes_ -= bytes;
        sent_of_first_ += bytes;
        if (sent_of_first_ < pieces_.front()->size()) return;
        pieces_.pop_front();
        sent_of_first_ = 0;
    }

    /// Whoever flushes goes on.
    void clear() noexcept {
        pieces_.clear();
        bytes_ = sent_of_first_ = 0;
        emptied.cancel();
    }

    AsyncConnection* connection;
    boost::asio::steady_timer emptied;  ///< Never expires; cancelled when the queue has become empty.
    bool is_draining = false;           ///< A coroutine sends what is in it.

private:
    std::deque<Piece> pieces_;
    std::size_t bytes_ = 0;
    std::size_t sent_of_first_ = 0;
};

}  // namespace bullpen
