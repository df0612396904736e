/// The pools that are there, as far as a reload asks what it can change in them.
#pragma once

#include <string>
#include <vector>

#include "pool/configuration.hpp"
#include "pool/pool_options.hpp"

namespace bullpen {

/// Plain data, for the child of the master that checks a configuration.
struct PresentPool {
    PoolOptions options;
    std::vector<std::string> texts;  ///< In Options::listen, of the listeners in service.
    int workers_most = 0;            ///< There is room for no more.
};

/// Throws std::invalid_argument if a pool that is there can't be changed as the configuration wants it.
void check_change(const std::vector<PresentPool>& present, const Configuration& wanted);

/// The pool that has the listeners which were opened from `text`, if that needn't be done once more for the
/// wanted pool: the same one, or another one that gives them away.
const PresentPool* holder_of(const std::vector<PresentPool>& present, const Configuration& wanted,
                             const PoolOptions& pool, const std::string& text);

}  // namespace bullpen
