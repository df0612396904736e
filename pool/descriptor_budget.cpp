#include "pool/descriptor_budget.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace bullpen {
namespace {

constexpr std::size_t reserve = 32;  ///< Logs, the event loop, companions, what libraries open briefly.

/// A higher limit is treated as this one ("unlimited" is 2^30 in many containers).
constexpr std::size_t connections_most = 1U << 20U;

/// Descriptors of a pool without connections: the wake-up, the lobby's epoll, the scoreboard, the accept
/// lock, the listeners, the slots.
std::size_t fixed_of(const DescriptorNeeds& pool) noexcept {
    constexpr std::size_t parts = 4;
    const std::size_t of_a_slot = (pool.hands_off ? 2U : 0U) + (pool.own_listeners ? pool.listeners : 0U);
    return parts + pool.listeners + pool.slots * of_a_slot;
}

std::size_t wanted_by(const DescriptorNeeds& pool) noexcept {
    return pool.connections_max == 0 ? connections_most : std::min(pool.connections_max, connections_most);
}

}  // namespace

/// What the smallest server with these pools needs: a worker each, with one connection.
std::size_t least_of(std::span<const DescriptorNeeds> pools, std::size_t open) noexcept {
    std::size_t least = open + reserve;
    for (DescriptorNeeds pool : pools) {
        pool.slots = 1;
        least += fixed_of(pool) + pool.of_a_connection;
    }
    return least;
}

[[noreturn]] void refuse(const std::string& what, std::size_t needed, std::size_t limit) {
    throw std::runtime_error{what + " " + std::to_string(needed) +
                             " descriptors, and the limit (ulimit -Hn) is " + std::to_string(limit)};
}

std::vector<std::size_t> share_descriptors(std::span<const DescriptorNeeds> pools, std::size_t limit,
                                           std::size_t open) {
    const std::size_t least = least_of(pools, open);
    if (least > limit)
        refuse("the limit of descriptors is too low: a server with one worker needs", least, limit);
    std::size_t needed = open + reserve;
    for (const DescriptorNeeds& pool : pools) {
        needed += fixed_of(pool) + pool.of_a_connection;
        const std::size_t of_a_process = open + reserve + pool.listeners + pool.connections_of_a_process;
        if (of_a_process > limit)
            refuse(pool.process_grows_by + " of pool '" + pool.pool +
                       "' is too large: a worker's process may need",
                   of_a_process, limit);
    }
    if (needed > limit)
        refuse("the pools have too many workers (workers, workers-max), which need", needed, limit);

    std::vector<std::size_t> shares(pools.size(), 1);
    std::size_t left = limit - needed;
    std::vector<std::size_t> order(pools.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    // The pools that want least come first: the others share what they leave.
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return wanted_by(pools[a]) * pools[a].of_a_connection <
               wanted_by(pools[b]) * pools[b].of_a_connection;
    });
    for (std::size_t i = 0; i < order.size(); ++i) {
        const DescriptorNeeds& pool = pools[order[i]];
        const std::size_t share = left / (order.size() - i) / pool.of_a_connection;
        const std::size_t more = std::min(share, wanted_by(pool) - 1);
        shares[order[i]] += more;
        left -= more * pool.of_a_connection;
    }
    return shares;
}

}  // namespace bullpen
