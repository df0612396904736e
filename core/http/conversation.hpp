/// HTTP with one client, from its first request to its last, in the blocking form.
#pragma once

#include <bullpen/connection.hpp>
#include <bullpen/handler.hpp>
#include "core/http/head_reader.hpp"
#include "core/http/responder.hpp"

namespace bullpen::http {

/// Serves every request that has arrived, and continues where it stopped when it is called again for a
/// connection that was parked. An incomplete head, a pause between requests and an answer that the client
/// takes slowly make it return (Next::await_input or await_output), so that they don't hold the worker.
/// Throws what Connection does.
Next converse(Connection& client, Responder& responder);

}  // namespace bullpen::http
