/// The listeners of a pool, and what they were opened from.
#pragma once

#include <string>
#include <vector>

#include "core/listener.hpp"
#include "pool/pool_options.hpp"

namespace bullpen {

struct OpenedListeners {
    std::vector<Listener> listeners{};
    std::vector<std::string> texts{};  ///< For each, the text in Options::listen.
};

/// Opens all listeners that the options name, as the pool's model needs them. Throws AddressError,
/// std::system_error or std::invalid_argument.
OpenedListeners open_listeners_of(const PoolOptions& options);

}  // namespace bullpen
