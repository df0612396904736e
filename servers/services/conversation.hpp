/// HTTP with one client, from its first request to its last, in the blocking form.
#pragma once

#include "core/connection.hpp"
#include "servers/services/responder.hpp"

namespace bullpen::http {

/// How long a client that was told off may go on sending before the connection is closed on it.
constexpr std::chrono::milliseconds linger_patience{2'000};

/// Throws what Connection does.
void converse(Connection& client, Responder& responder);

}  // namespace bullpen::http
