/// The sockets of a running server: what the kernel says of each, and which of the server's parts has it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/socket_diag.hpp"
#include "servers/cli/named_server.hpp"

namespace bullpen {

/// Where a socket is.
enum class SocketPlace {
    listener,  ///< It listens, or takes datagrams.
    backlog,   ///< Nobody has accepted it yet.
    waiting,   ///< Accepted; it waits for a worker.
    parked,    ///< It waits for its client, without a worker.
    slot,      ///< A slot's worker serves it, or has it next.
    queued,    ///< The same, but its worker has others before it.
    process,   ///< It is in a process whose workers accept by themselves.
    kernel,    ///< Closed by the server; the kernel finishes it.
};

struct ServedSocket {
    SocketRecord record;
    std::string pool;
    SocketPlace place = SocketPlace::kernel;
    std::uint32_t first_slot = 0;  ///< Of SocketPlace::slot, queued and process.
    std::uint32_t last_slot = 0;
    pid_t pid = 0;                                   ///< Of SocketPlace::process.
    std::optional<std::chrono::milliseconds> age{};  ///< Since its accept, if that is known.
};

/// "parked", "slot 3", "behind slot 3", "slots 0-3", …
std::string describe_place(const ServedSocket& socket);

struct ServerSockets {
    std::vector<std::string> pools;
    std::vector<ServedSocket> sockets;
};

/// Asks the server and the kernel. Which process has a socket is known of one's own processes (root: of all);
/// of others a connection that a worker has accepted counts as SocketPlace::kernel. Throws
/// std::invalid_argument or std::runtime_error: one sentence.
ServerSockets sockets_of(const ServerName& server);

}  // namespace bullpen
