/// What one call that moves bytes has come to.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

namespace bullpen {

/// Of recv(2), send(2) or sendfile(2), asked for at least one byte.
struct TransferStep {
    enum class Outcome : std::uint8_t {
        moved,        ///< `bytes` of them, which may be fewer than were asked for.
        ended,        ///< No more will come: the client has ended its side, or the file is over.
        would_block,  ///< The client has sent nothing, or takes nothing: wait, then call again.
        interrupted,  ///< A signal came first: call again.
        failed,  ///< `error` says how; ConnectionFailure knows which errors mean that the client has left.
    };

    Outcome outcome = Outcome::failed;
    std::size_t bytes = 0;
    int error = 0;  ///< errno, where the call returned -1.
};

/// Of what the call returned, and errno after it.
constexpr TransferStep step_after(ssize_t result, int error) noexcept {
    using Outcome = TransferStep::Outcome;
    if (result > 0) return {Outcome::moved, static_cast<std::size_t>(result)};
    if (result == 0) return {Outcome::ended};
    if (error == EAGAIN) return {Outcome::would_block, 0, error};
    if (error == EINTR) return {Outcome::interrupted, 0, error};
    return {Outcome::failed, 0, error};
}
static_assert(EAGAIN == EWOULDBLOCK);

/// recv(2).
inline TransferStep receive_step(int socket, std::span<std::byte> buffer, int flags) noexcept {
    const ssize_t result = ::recv(socket, buffer.data(), buffer.size(), flags);
    return step_after(result, errno);
}

}  // namespace bullpen
