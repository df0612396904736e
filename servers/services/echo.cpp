/// echo: sends everything back (RFC 862).
#include <array>

#include "servers/services/service.hpp"

namespace bullpen {

Handler make_echo(const ServiceOptions&) {
    return [](Connection& client) {
        std::array<std::byte, 64 * 1024> buffer;
        while (const std::size_t size = client.read_some(buffer))
            client.write_all(std::span<const std::byte>{buffer}.first(size));
    };
}

}  // namespace bullpen
