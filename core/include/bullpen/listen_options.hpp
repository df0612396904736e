/// How a server listens.
#pragma once

#include <sys/types.h>
#include <chrono>

namespace bullpen {

/// How a listener is opened. What a client's socket inherits over accept(2) is set here once, on the
/// listener, and costs nothing per connection. UNIX sockets inherit nothing (Connection sets it).
struct ListenOptions {
    int backlog = 4096;                    ///< listen(2); the kernel caps it at net.core.somaxconn.
    bool no_delay = true;                  ///< TCP_NODELAY, inherited.
    std::chrono::milliseconds slice{250};  ///< SO_RCVTIMEO and SO_SNDTIMEO, inherited: the longest that one
                                           ///< call blocks; 0: for ever. Connection's limits are exact
                                           ///< with any, and its first wait for a client is one such call.
    int unsent_max = 0;  ///< TCP_NOTSENT_LOWAT, inherited: bytes that a socket takes beyond those under way
                         ///< to the client; 0: as many as its buffer holds (some MB).
    std::chrono::seconds defer_accept{0};  ///< TCP_DEFER_ACCEPT; 0 is off. Deferred clients are in no queue
                                           ///< length, are reset at a stop, and come empty at the time-out.
    mode_t unix_mode = 0660;               ///< Permission bits of a UNIX socket's file.
    std::chrono::milliseconds lock_patience{5'000};  ///< For another server of this user that is putting a
                                                     ///< UNIX socket in the same place.
};

}  // namespace bullpen
