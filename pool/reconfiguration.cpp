#include "pool/reconfiguration.hpp"

#include <algorithm>
#include <utility>

#include "core/log.hpp"
#include "core/process.hpp"

namespace bullpen {

Reconfiguration::Reconfiguration(std::list<Pool>& pools, Configuration wanted,
                                 std::vector<NewListener<Listener>> added, std::size_t open)
    : pools_{pools}, wanted_{std::move(wanted)} {
    std::vector<OpenedListeners> listeners = listeners_for(std::move(added));
    for (std::size_t i = 0; i < listeners.size(); ++i)
        plan(wanted_.pools[i], std::move(listeners[i]));
    for (Pool& pool : pools_) {
        const auto is_it = [&](const Changed& one) { return one.pool == &pool; };
        if (!pool.is_leaving() && std::none_of(changed_.begin(), changed_.end(), is_it))
            removed_.push_back(&pool);
    }
    share_descriptors_among(open);
}

Pool* Reconfiguration::present(const std::string& name) const {
    const auto found = std::find_if(pools_.begin(), pools_.end(), [&](const Pool& pool) {
        return !pool.is_leaving() && pool.options().name == name;
    });
    return found == pools_.end() ? nullptr : &*found;
}

/// What each wanted pool gets: the listeners that were opened for it, and twins of those that another pool
/// gives away.
std::vector<OpenedListeners> Reconfiguration::listeners_for(std::vector<NewListener<Listener>> added) {
    std::vector<OpenedListeners> listeners(wanted_.pools.size());
    for (NewListener<Listener>& one : added) {
        if (one.pool >= listeners.size() || one.text >= wanted_.pools[one.pool].listen.size()) continue;
        listeners[one.pool].texts.push_back(wanted_.pools[one.pool].listen[one.text]);
        listeners[one.pool].listeners.push_back(std::move(one.listener));
    }
    std::vector<PresentPool> present_pools;
    for (const Pool& pool : pools_)
        if (!pool.is_leaving()) present_pools.push_back(pool.present());
    for (std::size_t i = 0; i < listeners.size(); ++i)
        for (const std::string& text : wanted_.pools[i].listen) {
            const PresentPool* const holder = holder_of(present_pools, wanted_, wanted_.pools[i], text);
            if (holder == nullptr || holder->options.name == wanted_.pools[i].name) continue;
            Pool* const giver = present(holder->options.name);
            for (const std::size_t place : giver->listeners_from(text)) {
                gifts_.push_back({giver, place});
                listeners[i].texts.push_back(text);
                listeners[i].listeners.push_back(giver->listeners()[place].twin());
            }
        }
    return listeners;
}

void Reconfiguration::plan(PoolOptions options, OpenedListeners added) {
    if (Pool* const pool = present(options.name))
        changed_.push_back({pool, pool->prepare_change(std::move(options), std::move(added))});
    else
        fresh_.emplace_back(std::move(options), std::move(added), wanted_.drain_timeout);
}

void Reconfiguration::share_descriptors_among(std::size_t open) {
    std::vector<DescriptorNeeds> needs;
    const auto add = [&](Pool& pool, const PoolOptions& options) {
        sharing_.push_back(&pool);
        needs.push_back(pool.descriptor_needs(options));
    };
    for (Changed& one : changed_)
        add(*one.pool, one.change.options);
    for (Pool& pool : fresh_)
        add(pool, pool.options());
    for (Pool& pool : pools_)
        if (!pool.has_finished() && std::find(sharing_.begin(), sharing_.end(), &pool) == sharing_.end())
            add(pool, pool.options());
    limit_ = raise_descriptor_limit();
    shares_ = share_descriptors(needs, limit_, open);
    for (Pool& pool : fresh_)  // Makes the room; from here on a limit can't fail.
        pool.limit_connections(1, limit_);
}

bool Reconfiguration::carry_out() noexcept {
    bool others = !fresh_.empty() || !removed_.empty();
    pools_.remove_if([](const Pool& pool) { return pool.has_finished(); });
    for (const Gift& gift : gifts_)
        gift.giver->give_away(gift.place);
    for (Changed& one : changed_)
        others = one.pool->change(std::move(one.change), wanted_.drain_timeout) || others;
    for (Pool* const pool : removed_) {
        log(LogLevel::info, "pool " + pool->options().name + ": removed; it serves what it has accepted");
        pool->remove(Clock::now() + wanted_.drain_timeout);
    }
    for (std::size_t i = 0; i < sharing_.size(); ++i)
        sharing_[i]->limit_connections(shares_[i], limit_);
    pools_.splice(pools_.end(), fresh_);
    for (Pool& pool : pools_)
        pool.own_files();
    return others || !gifts_.empty();
}

}  // namespace bullpen
