/// A worker's sockets that are connected to its busy peers.
#pragma once

#include <sys/epoll.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <bullpen/address.hpp>
#include <bullpen/datagram.hpp>
#include <bullpen/unique_fd.hpp>
#include "core/listener.hpp"
#include "pool/busy_peers.hpp"
#include "pool/scoreboard.hpp"

namespace bullpen {

/// Where a worker receives datagrams.
struct DatagramSource {
    const Listener& socket;
    std::size_t listener = 0;       ///< The index of the pool's listener that they came to.
    const Address* peer = nullptr;  ///< The socket is connected to it. Borrowed.
};

/// One worker's, for one thread. A busy peer (see BusyPeers) gets a socket that is bound to the address which
/// it asks, beside the listener (SO_REUSEPORT: a process of another user can't do that), and connected to the
/// peer (UNP 8.11). From then on the kernel puts the peer's datagrams, and no others, into its queue, knows
/// the route of the answers, and wakes this worker alone. Between bind(2) and connect(2) it may get others'
/// datagrams: so all that is in it is served, by the sender that each has.
///
/// A peer that is silent for a second, or whose machine says that it is gone (ECONNREFUSED), loses its
/// socket. That is first connected to its own address, which never sends anything: then the listener gets
/// what comes, and what is in the socket can be served before it is closed. At a stop it is closed at once:
/// a datagram that the kernel is delivering in that microsecond may be lost.
///
/// The source of a datagram may be forged, and a forged one can take a place for a second. There are only so
/// many; who finds none is served by the listener, as all are at first.
class ConnectedPeers {
public:
    /// `most` sockets at once; with 0, or without a UDP listener, no method does anything. The listeners are
    /// borrowed, and share their ports from here on. What the kernel drops at a peer's socket is added to its
    /// listener's counter in `dropped`.
    ConnectedPeers(std::size_t most, std::span<const Listener> listeners, std::span<SharedCounter> dropped);
    ConnectedPeers(const ConnectedPeers&) = delete;
    ConnectedPeers& operator=(const ConnectedPeers&) = delete;

    /// Whether no peer has a socket: then the worker waits at its listeners as if there were none of this.
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

    /// Whether another peer may get one.
    [[nodiscard]] bool has_room() const noexcept { return can_bind_ && count_ < places_.size(); }

    /// To be told of each datagram of a listener that has been served, if it came to us alone and there is
    /// room. Its sender may get a socket; if it can't, it is served by the listener, and the log says once
    /// why.
    void note(const Datagram& datagram, std::size_t listener, std::uint64_t received_ns,
              std::uint64_t service_ns) noexcept;

    /// If it isn't empty: waits for a datagram at the listeners and at its own sockets, for 250 ms at most or
    /// until a signal, and calls `serve` for each that has some. Closes the sockets of those who have been
    /// silent.
    void serve_ready(const std::function<void(const DatagramSource&)>& serve);

    /// Gives all peers back to the listeners, serves what is in their sockets, and closes these.
    void leave(const std::function<void(const DatagramSource&)>& serve);

    /// In a forked child: closes its copies.
    void drop() noexcept;

private:
    struct Peer {
        Listener socket;
        std::size_t listener;
        Address address;
        std::uint64_t heard_ns;
        bool released = false;      ///< Connected to itself.
        std::uint64_t dropped = 0;  ///< That have been counted.

        [[nodiscard]] DatagramSource source() const noexcept {
            return {.socket = socket, .listener = listener, .peer = released ? nullptr : &address};
        }
    };
    using Place = std::optional<Peer>;

    [[nodiscard]] bool has(const Address& peer, const Address& own) const noexcept;
    void connect(const Address& peer, const Address& own, std::size_t listener, std::uint64_t now_ns);
    [[nodiscard]] bool watch_listeners() noexcept;
    void note_readiness(Peer& peer, std::uint32_t events, std::uint64_t now_ns) noexcept;
    static void release(Peer& peer) noexcept;
    void look_after(std::uint64_t now_ns) noexcept;
    void count_dropped(Peer& peer) noexcept;
    void close(Place& place) noexcept;
    void note_count(std::size_t count) noexcept;

    std::span<const Listener> listeners_;
    std::span<SharedCounter> dropped_;
    std::optional<BusyPeers> busy_;
    std::vector<Place> places_;
    std::size_t count_ = 0;
    bool can_bind_ = true;            ///< As far as is known.
    std::vector<epoll_event> ready_;  ///< Of a place by its index, of a listener by places_.size() + its own.
    UniqueFd epoll_;                  ///< While it isn't empty.
    std::uint64_t looked_ns_ = 0;
};

}  // namespace bullpen
