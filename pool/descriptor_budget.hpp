/// The descriptor budget: how the master's descriptors are divided among the pools.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace bullpen {

/// What one pool needs.
struct DescriptorNeeds {
    std::string pool;
    std::size_t slots = 0;
    std::size_t listeners = 0;
    bool hands_off = false;      ///< Each slot, vacant or not, has a channel: two descriptors.
    bool own_listeners = false;  ///< Each slot has listeners of its own.
    /// The most descriptors that one connection may take in the master: its socket and, if handlers leave
    /// files with connections that wait, a file.
    std::size_t of_a_connection = 1;
    std::size_t connections_max = 0;            ///< As configured; 0: as many as there is room for.
    std::size_t connections_of_a_process = 1;   ///< The most in one worker process,
    std::string process_grows_by = "capacity";  ///< and the setting by which there are more.
};

/// Returns the most connections that each pool may have in the master at once. Each is charged
/// `of_a_connection` descriptors when it is admitted, so that there is always room for the file that a worker
/// leaves with it. `limit` is RLIMIT_NOFILE, `open` the number of descriptors open before any is opened for
/// the pools. What a pool doesn't need because of its connections_max goes to the others. Throws
/// std::runtime_error with one sentence if the limit is too small.
std::vector<std::size_t> share_descriptors(std::span<const DescriptorNeeds> pools, std::size_t limit,
                                           std::size_t open);

}  // namespace bullpen
