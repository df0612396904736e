/// A pool's shape: what follows for the pool from its model and its options, computed once.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/datagram_batch.hpp"
#include "pool/pool_options.hpp"

namespace bullpen {

/// The slots first … end - 1 of one process: each has a worker, and they are born and die together.
struct SlotRange {
    std::uint32_t first = 0;
    std::uint32_t end = 0;
};

/// How the master picks the slot for the next client.
enum class Pick {
    lowest_idle,   ///< The lowest idle slot, whose caches are warm: a worker serves one client at a time.
    least_loaded,  ///< The slot with fewest clients: a worker serves many at a time.
    vacant,        ///< A vacant slot: a worker is forked for each client.
    never,         ///< None: the workers accept by themselves.
};

struct PoolShape {
    std::uint32_t slots = 1;
    std::uint32_t slots_of_a_process = 1;
    std::uint64_t capacity = 1;  ///< Connections that a worker serves at once.
    std::uint64_t held = 1;      ///< Where it accepts: the most that a worker has accepted and not ended.
    std::uint64_t depth = 1;     ///< Connections that a slot has at once: served, or in its channel.
    Pick pick = Pick::lowest_idle;
    bool parks = false;           ///< Workers give connections back.
    bool sizes_itself = false;    ///< One process, which starts and retires its workers, threads, by itself.
    bool forks_for_each = false;  ///< See Model::forks_for_each().

    [[nodiscard]] bool hands_off() const noexcept {
        return pick == Pick::lowest_idle || pick == Pick::least_loaded;
    }
    [[nodiscard]] SlotRange process_of(std::uint32_t slot) const noexcept {
        const std::uint32_t first = slot / slots_of_a_process * slots_of_a_process;
        return {first, std::min(first + slots_of_a_process, slots)};
    }
};

/// The configured limits as far as the model allows them.
constexpr PoolLimits limits_for(const Model& model, PoolLimits limits) noexcept {
    if (model.workers_fixed > 0) {
        limits.policy = SizingPolicy::fixed;
        limits.workers_max = model.workers_fixed;
    }
    if (limits.policy == SizingPolicy::fixed) limits.workers_start = limits.workers_max;
    limits.workers_start = std::min(limits.workers_start, limits.workers_max);
    return limits;
}

inline PoolShape shape_of(const PoolOptions& options) noexcept {
    const Model& model = options.design;
    PoolShape shape;
    shape.slots = static_cast<std::uint32_t>(limits_for(model, options.limits).workers_max);
    shape.sizes_itself = model.housing == Housing::threads_of_one;
    shape.forks_for_each = model.forks_for_each();
    if (!shape.sizes_itself && model.workers_fixed == 0)
        shape.slots = std::max(shape.slots, static_cast<std::uint32_t>(options.workers_most));
    if (!shape.sizes_itself && !shape.forks_for_each)
        shape.slots += static_cast<std::uint32_t>(options.reserve * options.threads);
    shape.slots_of_a_process = shape.sizes_itself ? shape.slots : static_cast<std::uint32_t>(options.threads);
    shape.capacity = model.multiplexes ? static_cast<std::uint64_t>(options.capacity) : 1;
    shape.held = model.form == Form::datagram ? DatagramBatch::most : shape.capacity;
    shape.depth = shape.capacity;
    shape.parks = model.parks();
    switch (model.delivery) {
        case Delivery::handoff:
            shape.pick = model.multiplexes ? Pick::least_loaded : Pick::lowest_idle;
            if (model.parks()) shape.depth += static_cast<std::uint64_t>(options.queue_ahead);
            break;
        case Delivery::fork: shape.pick = Pick::vacant; break;
        case Delivery::accept: shape.pick = Pick::never; break;
    }
    return shape;
}

/// The most workers that the pool may have by its limits. The slots beyond are for new workers beside those
/// that leave.
inline int workers_most(const PoolOptions& options, const PoolShape& shape) noexcept {
    const int reserved = shape.sizes_itself || shape.forks_for_each ? 0 : options.reserve * options.threads;
    return static_cast<int>(shape.slots) - reserved;
}

}  // namespace bullpen
