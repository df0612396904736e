/// A client's socket, and what has become of it.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include <bullpen/detail/connection_failure.hpp>
#include <bullpen/detail/handoff_note.hpp>
#include <bullpen/out_of_band.hpp>
#include <bullpen/received_message.hpp>
#include <bullpen/unique_fd.hpp>

namespace bullpen {

struct TransferStep;

/// How a worker has closed a socket of which the master has a copy.
enum class Closed {
    in_order,  ///< The client sees the end at once.
    reset,     ///< The handler wants it reset (SO_LINGER with time 0): the last close does that.
};

/// What a worker does before it closes a connection that the master handed over: ends it, because the client
/// would else wait for the master's close. `lent`: the handler may have set options.
Closed end_connection(int socket, HandoffProgress& handoff, bool lent, bool output_ended) noexcept;

/// Single system calls, each remembered in exchanged() and failure(). How long to wait is ClientWait's to
/// say.
class ClientSocket {
public:
    explicit ClientSocket(UniqueFd socket, HandoffProgress handoff = {},
                          OutOfBand out_of_band = OutOfBand::off) noexcept
        : socket_{std::move(socket)}, handoff_{handoff}, out_of_band_{out_of_band} {}

    /// For calls that take and write nothing.
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }

    /// For calls that may take or write bytes: says so first, in case that the worker is killed in the call.
    [[nodiscard]] int fd_to_touch() noexcept {
        handoff_.touch();
        return socket_.get();
    }

    /// For the handler's own calls, which may also set any option.
    [[nodiscard]] int lend() noexcept {
        lent_ = true;
        return fd_to_touch();
    }

    /// O_NONBLOCK, for the handler's own calls. No system call if it is so already.
    void set_nonblocking(bool on) noexcept;
    [[nodiscard]] bool is_nonblocking() const noexcept { return nonblocking_; }

    /// SHUT_WR.
    void end_output() noexcept;

    /// From here on a child process has the connection: close() doesn't end it.
    void detach() noexcept {
        handoff_.touch();
        detached_ = true;
    }

    /// Ends the connection as end_connection() says, unless it is detached, and closes the descriptor.
    Closed close() noexcept;

    /// Closes the descriptor only, for a connection that goes on.
    void release() noexcept { socket_.reset(); }

    [[nodiscard]] HandoffProgress& handoff() noexcept { return handoff_; }

    /// SO_RCVTIMEO and SO_SNDTIMEO: how long a call waits that isn't told not to.
    void set_timeouts(std::chrono::milliseconds slice) const noexcept;

    /// SO_RCVLOWAT, which stays with the socket wherever it goes: poll(2) reports the socket readable from
    /// this number of bytes on, or at the end.
    void set_low_water(std::size_t bytes) const noexcept;

    /// recv(2). Nothing: nothing is there, or nothing came for as long as the flags let the kernel wait.
    /// Throws what ConnectionFailure::fail() does.
    [[nodiscard]] std::optional<std::size_t> receive(std::span<std::byte> buffer, int flags);

    /// recv(2), one call, which counts the urgent byte that it passes. fd_to_touch() first.
    [[nodiscard]] TransferStep step(std::span<std::byte> buffer, int flags) const noexcept;

    /// A wait for input that isn't poll(2) would miss urgent bytes.
    [[nodiscard]] bool watches_urgent_data() const noexcept { return out_of_band_ != OutOfBand::off; }

    /// The same of recvmsg(2), which waits for nothing; `message` says what it was, an empty one if size and
    /// sender are there. Nothing: nothing is there.
    [[nodiscard]] std::optional<ReceivedMessage> receive_message(std::span<std::byte> buffer);

    /// SO_PASSCRED: receive_message() says who sent what is sent from now on.
    void learn_senders() const noexcept;

    /// ppoll(2) of the client alone. False: nothing came, or a signal.
    bool wait_for(short events, std::chrono::nanoseconds at_most) const noexcept;

    /// Of a UNIX socket, which knows no low water: until the byte behind `offset` others, or the end, has
    /// come.
    void wait_for_byte(std::size_t offset, std::chrono::nanoseconds at_most) noexcept;

    /// poll(2) without waiting: what there is of the events, and errors.
    [[nodiscard]] short poll_now(short events) const noexcept;

    /// The client has ended its side. What it sent before may not be read yet.
    [[nodiscard]] bool has_ended() const noexcept;

    /// The number of bytes that are there to be read (SIOCINQ).
    [[nodiscard]] std::size_t bytes_there() const noexcept;

    /// Bytes were taken from the socket, or the handler has had the descriptor and may have done so, since
    /// forget_taking().
    [[nodiscard]] bool has_taken() const noexcept { return taken_ || lent_; }
    void set_taken() noexcept { taken_ = true; }
    void forget_taking() noexcept { taken_ = false; }

    /// The client has sent something, be it its end, or was sent something.
    [[nodiscard]] bool exchanged() const noexcept { return exchanged_; }
    void set_exchanged() noexcept { exchanged_ = true; }

    [[nodiscard]] ConnectionFailure& failure() noexcept { return failure_; }
    [[nodiscard]] const ConnectionFailure& failure() const noexcept { return failure_; }

private:
    template <typename Receive>
    std::optional<std::size_t> receive_by(Receive receive, bool takes);

    UniqueFd socket_;
    HandoffProgress handoff_;
    OutOfBand out_of_band_;
    bool exchanged_ = false;
    bool output_ended_ = false;
    bool taken_ = false;
    bool lent_ = false;
    bool nonblocking_ = false;
    bool detached_ = false;
    ConnectionFailure failure_;
};

}  // namespace bullpen
