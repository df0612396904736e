/// chargen: characters, until the client has enough (RFC 864).
#include <algorithm>
#include <cstdint>
#include <cstring>

#include <bullpen/async_connection.hpp>
#include "servers/services/own_program.hpp"
#include "servers/services/service.hpp"

namespace bullpen {
namespace {

constexpr std::size_t printable_characters = 95;  // ' ' to '~'
constexpr std::size_t line_size = 72;
constexpr std::size_t datagram_most = 512;

/// Each line begins one character further than the one before, so that after 95 lines all begins anew.
const std::string& pattern() {
    static const std::string lines = [] {
        std::string made;
        for (std::size_t first = 0; first < printable_characters; ++first) {
            for (std::size_t i = 0; i < line_size; ++i)
                made += static_cast<char>(' ' + (first + i) % printable_characters);
            made += "\r\n";
        }
        return made;
    }();
    return lines;
}

std::string_view from(std::uint64_t offset) noexcept {
    return std::string_view{pattern()}.substr(offset % pattern().size());
}

/// The place in the pattern goes with the client, who is parked while he takes nothing. It has no end of its
/// own: a stop ends it anywhere.
Next generate(Connection& client) {
    std::uint64_t offset = 0;
    std::memcpy(&offset, client.state().data(), sizeof offset);
    while (!client.draining()) {
        const std::string_view piece = from(offset);
        const std::size_t sent = client.write_some(piece);
        offset += sent;
        std::memcpy(client.state().data(), &offset, sizeof offset);
        if (sent < piece.size()) {
            client.wait_at_most({Limit::write});
            return Next::await_output;
        }
    }
    return Next::close;
}

boost::asio::awaitable<void> generate_async(AsyncConnection& client) {
    while (!client.draining())
        co_await client.write_all(pattern());
}

}  // namespace

Service chargen_service() {
    return {.name = "chargen",
            .summary = "characters without end (RFC 864)",
            .make = [](const ServiceOptions&) -> Handler { return generate; },
            .make_async = [](const ServiceOptions&) -> AsyncHandler { return generate_async; },
            .make_program = [](const ServiceOptions&) { return own_program("chargen"); },
            .make_datagram = [](const ServiceOptions&) -> DatagramAnswer {
                // The RFC's 0 to 512 characters, and none for who sent none: nobody is made an amplifier.
                return [](std::string_view question) {
                    return std::string{from(0).substr(0, std::min(question.size(), datagram_most))};
                };
            }};
}

}  // namespace bullpen
