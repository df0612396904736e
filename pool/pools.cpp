#include "pool/pools.hpp"

namespace bullpen {

std::uint64_t Pools::lost() noexcept {
    std::uint64_t sum = 0;
    for (Pool& pool : all_)
        sum += pool.lost();
    return sum;
}

void Pools::begin() {
    for (Pool& pool : all_)
        if (!pool.has_finished()) live_.push_back(&pool);
}

void Pools::note_finished() noexcept {
    std::erase_if(live_, [](Pool* pool) {
        const bool finished = pool->is_leaving() && pool->is_stopped();
        if (finished) pool->note_finished();
        return finished;
    });
}

void Pools::forget_closed(ImageDescriptors& descriptors) {
    for (Pool& pool : all_)
        for (const int closed : pool.forget_closed())
            descriptors.forget(closed);
}

}  // namespace bullpen
