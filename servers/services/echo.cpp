/// echo: sends everything back (RFC 862).
#include <array>

#include <bullpen/async_connection.hpp>
#include "servers/services/own_program.hpp"
#include "servers/services/service.hpp"

namespace bullpen {
namespace {

using Buffer = std::array<std::byte, 64 * 1024>;

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
