/// The list of a server's connections, as its master writes it for `bullpen sockets`: lines of text.
///
///     pool web
///     worker 812 0 4 -1              the process 812 is the slots 0 to 3
///     worker 813 4 1 15              its one worker has been busy with its one client for 15 ms
///     connection 17 parked 0 912     the master's descriptor 17; accepted 912 ms ago
///     connection 18 given 3 15       it is at slot 3
///     connection 19 queued 3 10      it is at slot 3, too, behind the others there
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pool/connections.hpp"
#include "pool/pool_shape.hpp"

namespace bullpen {

struct ListedWorkers {
    pid_t pid = 0;
    SlotRange slots{};
    std::optional<std::chrono::milliseconds> busy{};  ///< If it has one worker, which accepts one client.
};

struct ListedConnection {
    int fd = -1;  ///< The master's.
    Where where = Where::waiting;
    std::uint32_t slot = 0;  ///< While it is given.
    std::chrono::milliseconds age{};
    bool queued = false;  ///< It is given, and its slot has as many before it as it serves at once.
};

/// A pool whose workers accept has no connections here: its master doesn't know them.
struct ListedPool {
    std::string name{};
    std::vector<ListedWorkers> workers{};
    std::vector<ListedConnection> connections{};
};

std::string_view name_of(Where where) noexcept;

/// Adds to a text.
void write_pool(std::string& text, std::string_view name);
void write(std::string& text, const ListedWorkers& workers);
void write(std::string& text, const ListedConnection& connection);

/// What such a text says. Throws std::runtime_error if it is none.
std::vector<ListedPool> read_connection_list(std::string_view text);

}  // namespace bullpen
