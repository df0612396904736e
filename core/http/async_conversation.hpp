/// HTTP with one client, from its first request to its last, in the asynchronous form.
#pragma once

#include <bullpen/async_connection.hpp>
#include "core/http/responder.hpp"

namespace bullpen::http {

/// Throws what AsyncConnection does. The responder must outlive the coroutine.
boost::asio::awaitable<void> converse(AsyncConnection& client, Responder& responder);

}  // namespace bullpen::http
