#include "pool/present_pool.hpp"

#include <algorithm>
#include <stdexcept>

#include "pool/pool_shape.hpp"

namespace bullpen {
namespace {

const PresentPool* find(const std::vector<PresentPool>& present, const std::string& name) {
    const auto found = std::find_if(present.begin(), present.end(),
                                    [&](const PresentPool& one) { return one.options.name == name; });
    return found == present.end() ? nullptr : &*found;
}

/// The first setting of `now` that has another value in `wanted`, or null.
const SettingText* first_change(const std::vector<SettingText>& now, const std::vector<SettingText>& wanted) {
    const auto changed = std::mismatch(now.begin(), now.end(), wanted.begin(), wanted.end()).first;
    return changed == now.end() ? nullptr : &*changed;
}

void check_change(const PresentPool& present, const PoolOptions& wanted) {
    const PoolOptions& now = present.options;
    const auto reject = [&](const std::string& what) {
        throw std::invalid_argument{"pool " + now.name + ": a reload can't change " + what +
                                    "; it needs a new start, or a pool of another name"};
    };
    const std::string under_model = " under model " + std::string{now.design.name};
    if (const SettingText* const changed = first_change(now.of_pool, wanted.of_pool))
        reject(changed->key + " (" + changed->text + ")");
    if ((now.design.form == Form::datagram) != (wanted.design.form == Form::datagram))
        reject("listen between connections and datagrams");
    const bool one_process = now.design.housing == Housing::threads_of_one;
    if (const SettingText* const changed = first_change(now.of_workers, wanted.of_workers);
        changed != nullptr && one_process)
        reject(changed->key + under_model + ", whose one process has all workers");
    if (!now.design.master_accepts() && wanted.listen != now.listen)
        reject("listen" + under_model + ", whose workers accept");
    if (limits_for(wanted.design, wanted.limits).workers_max > present.workers_most)
        reject("workers_max to more than " + std::to_string(present.workers_most));
}

/// Whether a pool of the model may give a listener to another one, or take one. Workers that accept may be
/// waiting in accept4 for long.
bool may_pass(const Model& model) noexcept {
    return model.master_accepts() || model.lends_listener ||
           (model.form == Form::datagram && !model.own_listeners);
}

}  // namespace

void check_change(const std::vector<PresentPool>& present, const Configuration& wanted) {
    for (const PoolOptions& options : wanted.pools)
        if (const PresentPool* const pool = find(present, options.name)) check_change(*pool, options);
}

const PresentPool* holder_of(const std::vector<PresentPool>& present, const Configuration& wanted,
                             const PoolOptions& pool, const std::string& text) {
    const auto is_in = [&](const std::vector<std::string>& texts) {
        return std::find(texts.begin(), texts.end(), text) != texts.end();
    };
    if (const PresentPool* const same = find(present, pool.name); same != nullptr && is_in(same->texts))
        return same;
    const auto keeps = [&](const PresentPool& one) {
        return std::any_of(wanted.pools.begin(), wanted.pools.end(), [&](const PoolOptions& options) {
            return options.name == one.options.name && is_in(options.listen);
        });
    };
    const auto gives = [&](const PresentPool& one) {
        return is_in(one.texts) && !keeps(one) && may_pass(one.options.design);
    };
    const auto giver = std::find_if(present.begin(), present.end(), gives);
    return giver == present.end() || !may_pass(pool.design) ? nullptr : &*giver;
}

}  // namespace bullpen
