#include "pool/busy_peers.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>

using namespace bullpen;

namespace {

constexpr std::uint64_t start = 3'600'000'000'000;
constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t quick_ns = 2'000;

IpAddress host(const std::string& text) {
    return IpAddress::parse(text).value();
}

/// How many of the batches' peers were found to be busy.
int note_batches(BusyPeers& peers, int batches, int of_each, std::uint64_t pause_ns,
                 std::uint64_t service_ns = quick_ns) {
    int busy = 0;
    for (int batch = 0; batch < batches; ++batch)
        for (int i = 0; i < of_each; ++i)
            busy += peers.note(host("192.0.2.1"), 7, start + static_cast<std::uint64_t>(batch) * pause_ns,
                               service_ns);
    return busy;
}

}  // namespace

TEST_SUITE("pool: busy peers") {
    TEST_CASE("a peer is busy with 32 datagrams within 100 ms, four or more at once, each served in 100 µs") {
        const PeerTraffic busy{.datagrams = 32, .receives = 8, .within_ns = 100 * ms, .service_ns = 100'000};
        CHECK(is_busy(busy));
        PeerTraffic too_few = busy;
        too_few.datagrams = 31;
        CHECK(!is_busy(too_few));
        PeerTraffic one_by_one = busy;
        one_by_one.receives = 9;
        CHECK(!is_busy(one_by_one));
        PeerTraffic too_slow = busy;
        too_slow.within_ns += 1;
        CHECK(!is_busy(too_slow));
        PeerTraffic slow_handler = busy;
        slow_handler.service_ns += 1;
        CHECK(!is_busy(slow_handler));
    }

    TEST_CASE("one batch of a single peer's makes it busy, once") {
        BusyPeers peers;
        CHECK(note_batches(peers, 1, 31, ms) == 0);
        CHECK(peers.note(host("192.0.2.1"), 7, start, quick_ns));
        CHECK(!peers.note(host("192.0.2.1"), 7, start, quick_ns));
    }

    TEST_CASE("who waits for each answer is not busy, however many it asks") {
        BusyPeers peers;
        CHECK(note_batches(peers, 10'000, 1, 10'000) == 0);
    }

    TEST_CASE("who sends 31 in 100 ms is not busy, for as long as it goes on") {
        BusyPeers peers;
        CHECK(note_batches(peers, 100, 31, 101 * ms) == 0);
    }

    TEST_CASE("where handlers are slow nobody is busy") {
        BusyPeers peers;
        CHECK(note_batches(peers, 10, 32, ms, 1 * ms) == 0);
    }

    TEST_CASE("the ports of a host are peers apart") {
        BusyPeers peers;
        for (std::uint16_t port = 1000; port < 3000; ++port)
            CHECK(!peers.note(host("192.0.2.1"), port, start, quick_ns));
    }

    TEST_CASE("a flood from other addresses doesn't hide a busy peer") {
        BusyPeers peers;
        int busy = 0;
        std::uint32_t number = 0;
        for (std::uint64_t batch = 0; batch < 100; ++batch)
            for (int i = 0; i < 32; ++i) {
                const std::uint64_t received_ns = start + batch * ms / 10;
                if (i % 4 == 0) {
                    busy += peers.note(host("192.0.2.1"), 7, received_ns, quick_ns);
                    continue;
                }
                const std::string other =
                    "10.0." + std::to_string(number % 200) + "." + std::to_string(number / 200 % 250);
                CHECK(!peers.note(host(other), static_cast<std::uint16_t>(number++), received_ns, quick_ns));
            }
        CHECK(busy > 0);
    }
}
