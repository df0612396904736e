/// How a request of the load client can fail.
#pragma once

#include <array>
#include <cstddef>

namespace bullpen {

/// After a bad status the connection goes on; else it is over, and its remaining requests are not made.
enum class LoadError {
    refused,         ///< Nobody listens.
    reset,           ///< ECONNRESET or EPIPE.
    ended_early,     ///< The server closed before its answer was complete.
    wrong_answer,    ///< Another status, size or content than expected, or none of the protocol.
    timed_out,       ///< No whole answer within request_timeout.
    no_local_port,   ///< EADDRNOTAVAIL: all of the client's ports to this address are in use or in TIME_WAIT.
    no_descriptors,  ///< The client may open no more.
    bad_status,      ///< A complete HTTP answer, whose status is 400 or more, where any was expected.
    unsent,          ///< Open loop: due, but no connection was free for it within request_timeout.
    other,
};
constexpr std::size_t load_errors = 10;
const char* name_of(LoadError error) noexcept;

using LoadErrorCounts = std::array<long, load_errors>;

/// What connect(2), send(2) and so on leave in errno.
LoadError load_error_of(int number) noexcept;

}  // namespace bullpen
