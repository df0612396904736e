/// The models of inetd.conf's lines. They aren't among those that a user chooses by --model.
#pragma once

#include "pool/model.hpp"

namespace bullpen {

/// `nowait`: the master accepts and hands each client to a worker, which starts the program for it.
extern const Model inetd_nowait;
/// `wait`: a worker starts the program once there is a client or a datagram, and gives it the socket.
extern const Model inetd_wait;
/// `internal` over datagrams.
extern const Model inetd_datagrams;

}  // namespace bullpen
