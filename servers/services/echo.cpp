/// echo: sends everything back (RFC 862).
#include <array>

#include <bullpen/async_connection.hpp>
#include "servers/services/own_program.hpp"
#include "servers/services/service.hpp"

namespace bullpen {
namespace {

using Buffer = std::array<std::byte, 64 * 1024>;

/// One piece a turn. What the client doesn't take stays in the kernel, as what it sent: nothing is kept here.
Next echo_a_piece(Connection& client) {
    Buffer buffer;
    const auto peeked = client.peek(buffer, {Limit::read});
    if (!peeked) return Next::await_input;
    if (peeked->size == 0) return Next::close;
    const std::span piece = std::span{buffer}.first(peeked->size);
    const std::size_t sent = client.write_some({reinterpret_cast<const char*>(piece.data()), piece.size()});
    client.take(piece.first(sent));
    if (sent == piece.size()) return Next::await_input;
    client.wait_at_most({Limit::write});
    return Next::await_output;
}

boost::asio::awaitable<void> echo(AsyncConnection& client) {
    Buffer buffer;
    while (const std::size_t size = co_await client.read_some(buffer))
        co_await client.write_all(std::span<const std::byte>{buffer}.first(size));
}

}  // namespace

Handler make_echo(const ServiceOptions&) {
    return [](Connection& client) {
        Buffer buffer;
        while (const std::size_t size = client.read_some(buffer))
            client.write_all(std::span<const std::byte>{buffer}.first(size));
    };
}

Handler make_echo_in_turns(const ServiceOptions&) {
    return echo_a_piece;
}

AsyncHandler make_async_echo(const ServiceOptions&) {
    return echo;
}

DatagramAnswer make_echo_datagram(const ServiceOptions&) {
    return [](std::string_view question) { return std::string{question}; };
}

Program make_echo_program(const ServiceOptions&) {
    return own_program("echo");
}

}  // namespace bullpen
