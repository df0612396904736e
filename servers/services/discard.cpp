/// discard: throws everything away and says nothing (RFC 863).
#include <array>

#include <bullpen/async_connection.hpp>
#include "servers/services/own_program.hpp"
#include "servers/services/service.hpp"

namespace bullpen {
namespace {

using Buffer = std::array<std::byte, 64 * 1024>;

/// A client that sends nothing is parked.
Next discard(Connection& client) {
    Buffer buffer;
    for (;;) {
        const auto peeked = client.peek(buffer, {});
        if (!peeked) return Next::await_input;
        client.take(std::span{buffer}.first(peeked->size));
        if (peeked->ended) return Next::close;
    }
}

boost::asio::awaitable<void> discard_async(AsyncConnection& client) {
    Buffer buffer;
    while (const auto size = co_await client.read_next(buffer, client.limits().idle))
        if (*size == 0) break;
}

}  // namespace

Service discard_service() {
    return {.name = "discard",
            .summary = "throws everything away (RFC 863)",
            .make = [](const ServiceOptions&) -> Handler { return discard; },
            .make_async = [](const ServiceOptions&) -> AsyncHandler { return discard_async; },
            .make_program = [](const ServiceOptions&) { return own_program("discard"); },
            .make_datagram = [](const ServiceOptions&) -> DatagramAnswer {
                return [](std::string_view) { return std::string{}; };
            },
            .client_speaks_first = true};
}

}  // namespace bullpen
