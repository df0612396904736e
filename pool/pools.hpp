/// The pools of a server.
#pragma once

#include <algorithm>
#include <cstdint>
#include <list>
#include <vector>

#include "pool/image_descriptors.hpp"
#include "pool/pool.hpp"

namespace bullpen {

/// Made in the keeper's image. A list, because pools never move: their parts refer to each other.
class Pools {
public:
    /// Those that serve, and those that a reload has removed.
    [[nodiscard]] std::list<Pool>& all() noexcept { return all_; }
    [[nodiscard]] const std::list<Pool>& all() const noexcept { return all_; }

    /// The number of connections lost since the server was made.
    [[nodiscard]] std::uint64_t lost() noexcept;

    // In a master.

    /// Those that haven't finished.
    [[nodiscard]] const std::vector<Pool*>& live() const noexcept { return live_; }

    void begin();

    /// Of a removed pool nothing is left.
    void note_finished() noexcept;

    template <typename Holds>
    [[nodiscard]] bool all_of_live(Holds holds) const {
        return std::all_of(live_.begin(), live_.end(), [&](const Pool* pool) { return holds(*pool); });
    }
    template <typename Holds>
    [[nodiscard]] Pool* first_of_live(Holds holds) const {
        const auto is_it = [&](const Pool* pool) { return holds(*pool); };
        const auto found = std::find_if(live_.begin(), live_.end(), is_it);
        return found == live_.end() ? nullptr : *found;
    }

    // In the keeper, between two masters.

    /// Forgets the listeners that masters have closed: their numbers may be another's.
    void forget_closed(ImageDescriptors& descriptors);

private:
    std::list<Pool> all_;
    std::vector<Pool*> live_;
};

}  // namespace bullpen
