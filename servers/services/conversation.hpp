/// HTTP with one client, from its first request to its last, in the blocking form.
#pragma once

#include "core/connection.hpp"
#include "core/handler.hpp"
#include "servers/services/head_reader.hpp"
#include "servers/services/responder.hpp"

namespace bullpen::http {

/// How long a client that was told off may go on sending before the connection is closed on it.
constexpr std::chrono::milliseconds linger_patience{2'000};

/// Serves as many requests as are there, and goes on where it was when it is called again for a connection
/// that was parked. No incomplete head, no pause between requests, and no answer that the client takes slowly
/// holds the worker. Throws what Connection does.
Next converse(Connection& client, Responder& responder);

}  // namespace bullpen::http
