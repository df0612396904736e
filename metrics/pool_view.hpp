/// A pool as seen from outside the master: its name, its listeners and its scoreboard, read-only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pool/snapshot.hpp"

namespace bullpen {

/// What the master tells an exporter about a pool.
struct ExportedPool {
    std::string name{};                    ///< The label `pool`.
    std::vector<std::string> listeners{};  ///< Addresses, in the order of the scoreboard's listen_queues.
    int scoreboard_fd = -1;                ///< Borrowed.
    std::uint32_t slots = 0;
};

/// An ExportedPool whose scoreboard is mapped; its descriptor may be closed from then on.
struct PoolView {
    /// Maps the scoreboard. Throws std::system_error.
    explicit PoolView(const ExportedPool& pool)
        : name{pool.name}, listeners{pool.listeners}, board{pool.scoreboard_fd, pool.slots} {}

    std::string name;
    std::vector<std::string> listeners;
    ScoreboardReader board;
};

}  // namespace bullpen
