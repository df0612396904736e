/// A client's socket, and what has become of it.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "core/connection_failure.hpp"
#include "core/unique_fd.hpp"

namespace bullpen {

/// Single system calls, each remembered in touched() and failure(). How long to wait is ClientWait's to say.
class ClientSocket {
public:
    explicit ClientSocket(UniqueFd socket) noexcept : socket_{std::move(socket)} {}

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    void close() noexcept { socket_.reset(); }

    /// SO_RCVTIMEO and SO_SNDTIMEO: how long a call waits that isn't told not to.
    void set_timeouts(std::chrono::milliseconds slice) const noexcept;

    /// SO_RCVLOWAT, which stays with the socket wherever it goes: poll(2) reports the socket readable from
    /// this number of bytes on, or at the end.
    void set_low_water(std::size_t bytes) const noexcept;

    /// recv(2). Nothing: nothing is there, or nothing came for as long as the flags let the kernel wait.
    /// Throws what ConnectionFailure::fail() does.
    [[nodiscard]] std::optional<std::size_t> receive(std::span<std::byte> buffer, int flags);

    /// ppoll(2) of the client alone. False: nothing came, or a signal.
    bool wait_for(short events, std::chrono::nanoseconds at_most) const noexcept;

    /// Of a UNIX socket, which knows no low water: until the byte behind `offset` others, or the end, has
    /// come.
    void wait_for_byte(std::size_t offset, std::chrono::nanoseconds at_most) const noexcept;

    /// The client has ended its side. What it sent before may not be read yet.
    [[nodiscard]] bool has_ended() const noexcept;

    /// Something was read from the client, be it its end, or written to it.
    [[nodiscard]] bool touched() const noexcept { return touched_; }
    void set_touched() noexcept { touched_ = true; }

    [[nodiscard]] ConnectionFailure& failure() noexcept { return failure_; }
    [[nodiscard]] const ConnectionFailure& failure() const noexcept { return failure_; }

private:
    UniqueFd socket_;
    bool touched_ = false;
    ConnectionFailure failure_;
};

}  // namespace bullpen
