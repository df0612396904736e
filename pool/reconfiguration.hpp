/// A reconfiguration: how the keeper changes the pools between two masters, all or nothing.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <vector>

#include "core/listener.hpp"
#include "pool/configuration.hpp"
#include "pool/descriptor_budget.hpp"
#include "pool/new_listener.hpp"
#include "pool/pool.hpp"

namespace bullpen {

/// Runs in the keeper, while no master lives.
class Reconfiguration {
public:
    /// Makes everything that the change needs, and changes nothing. `open` is the number of descriptors that
    /// are no pool's. Throws a std::exception whose sentence says what is wrong.
    Reconfiguration(std::list<Pool>& pools, Configuration wanted, std::vector<NewListener<Listener>> added,
                    std::size_t open);

    /// Gives pools that stay their new options and listeners, tells those that aren't wanted any more to
    /// leave, destroys those of which nothing is left, and adds the new ones. Returns whether the pools or
    /// their listeners are others than before.
    bool carry_out() noexcept;

private:
    /// A listener that goes from one pool to another.
    struct Gift {
        Pool* giver;
        std::size_t place;
    };
    struct Changed {
        Pool* pool;
        Pool::Change change;
    };

    [[nodiscard]] Pool* present(const std::string& name) const;
    std::vector<OpenedListeners> listeners_for(std::vector<NewListener<Listener>> added);
    void plan(PoolOptions options, OpenedListeners added);
    void share_descriptors_among(std::size_t open);

    std::list<Pool>& pools_;
    Configuration wanted_;
    std::list<Pool> fresh_;
    std::vector<Changed> changed_;
    std::vector<Pool*> removed_;
    std::vector<Gift> gifts_;
    std::vector<Pool*> sharing_;       ///< All that need descriptors, and
    std::vector<std::size_t> shares_;  ///< how many connections each may have.
    std::size_t limit_ = 0;            ///< Of descriptors.
};

}  // namespace bullpen
