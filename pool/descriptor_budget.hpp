/// How many descriptors the master has, and for what: all numbers about them, for all pools.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace bullpen {

/// Of one pool.
struct DescriptorNeeds {
    std::string pool;
    std::size_t slots = 0;
    std::size_t listeners = 0;
    bool hands_off = false;      ///< A channel for each slot: both ends, all slots, whether vacant or not.
    bool own_listeners = false;  ///< Each slot has listeners of its own.
    /// The most that one connection may take in the master: its socket and, where workers give it back, a
    /// file.
    std::size_t of_a_connection = 1;
    std::size_t connections_max = 0;           ///< As it was asked for; 0: as many as there is room for.
    std::size_t connections_of_a_process = 1;  ///< Of one worker process.
};

/// The most connections that each pool may have open in the master at once, so that each can be charged its
/// whole price when it is admitted: nothing that comes back from a worker ever lacks room. `limit` is
/// RLIMIT_NOFILE's, `open` what the process has open before it opens anything for its pools. What a pool
/// leaves, by its own connections_max, goes to the others. Throws std::runtime_error, one sentence, if the
/// limit is too small.
std::vector<std::size_t> share_descriptors(std::span<const DescriptorNeeds> pools, std::size_t limit,
                                           std::size_t open);

}  // namespace bullpen
