/// Which peers send so many datagrams that a socket of their own pays.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <bullpen/ip_address.hpp>
#include "core/ip_address_hash.hpp"

namespace bullpen {

/// What a worker knows of one peer. Times are in ns.
struct PeerTraffic {
    std::uint32_t datagrams = 0;   ///< Of the peer, that the worker has served.
    std::uint32_t receives = 0;    ///< In how many batches they came.
    std::uint64_t within_ns = 0;   ///< From the first to the last of these.
    std::uint64_t service_ns = 0;  ///< That the worker takes for a datagram, of whomever.
};

constexpr std::uint64_t busy_window_ns = 100'000'000;

/// A peer is busy with 32 datagrams within 100 ms of which four or more came at once: so they will in a
/// socket of its own. Of many peers that await their answers one has one datagram at a time, and a worker
/// takes those of all by one system call only where they are in one socket. And only if a datagram is served
/// within 100 µs: a peer with its own socket has one worker, and of slow handlers several should run for it.
constexpr bool is_busy(const PeerTraffic& traffic) noexcept {
    constexpr std::uint32_t datagrams_min = 32;
    constexpr std::uint32_t at_once_min = 4;
    constexpr std::uint64_t service_max_ns = 100'000;
    return traffic.datagrams >= datagrams_min && traffic.datagrams / at_once_min >= traffic.receives &&
           traffic.within_ns <= busy_window_ns && traffic.service_ns <= service_max_ns;
}

/// Counts the datagrams of peers, for one thread. Bounded: a peer has the one place that its hash chooses. A
/// datagram of another peer there takes one off its count, and the place if that is 0: so a flood from many
/// addresses doesn't hide who sends more than a 256th of it.
class BusyPeers {
public:
    /// One more of the peer's has been served, of a batch that was received at `received_ns` of
    /// CLOCK_MONOTONIC, which no other batch was. Returns whether that makes it busy; then it is counted
    /// anew.
    [[nodiscard]] bool note(const IpAddress& address, std::uint16_t port, std::uint64_t received_ns,
                            std::uint64_t service_ns) noexcept;

private:
    struct Place {
        IpAddress address;
        std::uint16_t port = 0;
        std::uint32_t datagrams = 0;
        std::uint32_t receives = 0;
        std::uint64_t first_ns = 0;
        std::uint64_t last_ns = 0;

        [[nodiscard]] bool counts(std::uint64_t now_ns) const noexcept {
            return datagrams > 0 && now_ns - first_ns <= busy_window_ns;
        }
    };
    static constexpr std::size_t places = 256;

    IpAddressHash hash_;
    std::array<Place, places> places_{};
};

}  // namespace bullpen
