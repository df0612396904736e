#include "pool/busy_peers.hpp"

namespace bullpen {

bool BusyPeers::note(const IpAddress& address, std::uint16_t port, std::uint64_t received_ns,
                     std::uint64_t service_ns) noexcept {
    constexpr std::size_t spread = 0x9E3779B1;  // Odd, so that the ports of a host have all places.
    Place& place = places_[(hash_(address) + port * spread) % places];
    const bool is_its_own = place.address == address && place.port == port;
    if (place.counts(received_ns) && !is_its_own) {
        --place.datagrams;
        return false;
    }
    if (!place.counts(received_ns)) place = {.address = address, .port = port, .first_ns = received_ns};
    if (place.last_ns != received_ns) ++place.receives;
    place.last_ns = received_ns;
    ++place.datagrams;
    const bool busy = is_busy({.datagrams = place.datagrams,
                               .receives = place.receives,
                               .within_ns = received_ns - place.first_ns,
                               .service_ns = service_ns});
    if (busy) place.datagrams = 0;
    return busy;
}

}  // namespace bullpen
