/// Sockets as the kernel lists them, of all processes, without a privilege (sock_diag(7), what ss(8) asks).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include <bullpen/address.hpp>

namespace bullpen {

/// The states of TCP (RFC 9293), by the kernel's numbers; a UNIX socket is established, close or listen.
enum class SocketState : std::uint8_t {
    established = 1,
    syn_sent,
    syn_received,
    fin_wait_1,
    fin_wait_2,
    time_wait,
    close,
    close_wait,
    last_ack,
    listen,
    closing,
};
constexpr std::size_t socket_states = 11;

/// "established", "syn_sent", "time_wait" …
std::string_view name_of(SocketState state) noexcept;
std::optional<SocketState> socket_state_of(std::string_view name) noexcept;

/// What a TCP socket waits for.
enum class SocketTimer : std::uint8_t { none, retransmission, keep_alive, time_wait, zero_window_probe };
std::string_view name_of(SocketTimer timer) noexcept;

/// A part of TCP_INFO (tcp(7)).
struct TcpNumbers {
    std::chrono::microseconds rtt{};      ///< Smoothed round-trip time.
    std::chrono::microseconds rtt_var{};  ///< Its variation.
    std::uint32_t retransmitted = 0;      ///< Segments, over the connection's life.
    std::uint64_t received_bytes = 0;
    std::uint64_t acknowledged_bytes = 0;         ///< Sent, and the client has them.
    std::chrono::milliseconds since_last_data{};  ///< Since data last came or went.
};

struct SocketRecord {
    SocketState state = SocketState::close;
    Address local{};
    Address peer{};  ///< "unknown" for a UNIX socket.
    /// Bytes that are here and not read; of one that listens the clients in its backlog.
    std::uint32_t receive_queue = 0;
    /// Bytes that the client hasn't acknowledged; of one that listens the backlog's limit.
    std::uint32_t send_queue = 0;
    SocketTimer timer = SocketTimer::none;
    std::chrono::milliseconds expires{};  ///< When the timer does.
    std::uint32_t inode = 0;  ///< Names the socket in /proc/PID/fd; 0: it is no process's (any more, or yet).
    std::optional<TcpNumbers> tcp{};
};

/// What is asked of each TCP socket beside its state.
enum class TcpDetail : bool { none, numbers };

/// Calls `visit` for each socket of this network namespace that is of this protocol (IPPROTO_TCP or
/// IPPROTO_UDP) and has the family and the local port of one of these addresses; those in TIME_WAIT are among
/// them. The kernel looks at all its sockets, once for each family, and reports these alone. Throws
/// std::system_error.
void visit_ip_sockets(int protocol, std::span<const Address> local, TcpDetail detail,
                      const std::function<void(const SocketRecord&)>& visit);

/// The same for each UNIX socket with a name. One that was accepted has its listener's. Throws
/// std::system_error.
void visit_unix_sockets(const std::function<void(const SocketRecord&)>& visit);

/// Whether a socket with the address `local` is of the listener at `listener`: the same address, or the same
/// port of a listener on all of a family's addresses.
bool is_of_listener(const Address& local, const Address& listener) noexcept;

}  // namespace bullpen
